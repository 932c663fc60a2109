//go:build tools

// Package filebeat pins Filebeat, which is built as it is.
package filebeat

import _ "github.com/elastic/beats/v7/filebeat"
