//go:build tools

// Package loki pins Grafana Loki, which is built as it is.
package loki

import _ "github.com/grafana/loki/v3/cmd/loki"
