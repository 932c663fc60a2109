//! What the pipeline of one resource may use in each pod.

use crate::types::SIZE_PATTERN;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What one resource may use in each pod. Each limit has a counter for when it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Longer records are cut off there and marked with `truncated` and their original length, for example `1Mi`. Counter:
    /// `logship_truncated_records_total`.
    #[serde(default = "LimitsSpec::default_record_bytes")]
    #[schemars(length(max = 16), regex(pattern = SIZE_PATTERN))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('1Ki')) >= 0 && quantity(self).compareTo(quantity('16Mi')) <= 0").message("limits.recordBytes: must be between 1Ki and 16Mi"))]
    pub record_bytes: String,
    /// Encoded bytes of all sinks together that were read and not acknowledged yet; beyond it, reading stops. Counter:
    /// `logship_reading_stops_total`.
    #[serde(default = "LimitsSpec::default_in_flight_bytes")]
    #[schemars(length(max = 16), regex(pattern = SIZE_PATTERN))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('64Ki')) >= 0 && quantity(self).compareTo(quantity('256Mi')) <= 0").message("limits.inFlightBytes: must be between 64Ki and 256Mi"))]
    pub in_flight_bytes: String,
    /// Log files that are open at once; more are read in turns. Counter: `logship_parked_files_total`.
    #[serde(default = "LimitsSpec::default_open_files")]
    #[schemars(range(min = 1, max = 100_000), extend("format" = "int32"))]
    pub open_files: u32,
    /// Bytes of the dead-letter file of each sink, on the state volume; beyond it, refused records are dropped. `0` keeps none.
    /// Counter: `logship_lost_dead_letters_total`.
    #[serde(default = "LimitsSpec::default_dead_letter_bytes")]
    #[schemars(length(max = 16), regex(pattern = SIZE_PATTERN))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('1Gi')) <= 0").message("limits.deadLetterBytes: must be at most 1Gi"))]
    pub dead_letter_bytes: String,
}

impl LimitsSpec {
    fn default_record_bytes() -> String {
        "1Mi".to_owned()
    }

    fn default_in_flight_bytes() -> String {
        "8Mi".to_owned()
    }

    fn default_open_files() -> u32 {
        1000
    }

    fn default_dead_letter_bytes() -> String {
        "8Mi".to_owned()
    }
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            record_bytes: Self::default_record_bytes(),
            in_flight_bytes: Self::default_in_flight_bytes(),
            open_files: Self::default_open_files(),
            dead_letter_bytes: Self::default_dead_letter_bytes(),
        }
    }
}
