//! The manifests that several test programs use.

use crate::TOOLS_IMAGE;

/// `spec` of a `LogShipping`: the output of every pod that opted in, to the sidecar's own, as it was.
pub const SHIP_OUTPUT: &str = "  selector: {}
  sources: [{name: output, containerOutput: {}}]
  sinks: [{name: out, stdout: {format: text}}]
";

/// A pod that runs and says nothing.
pub fn quiet_pod(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: \
         [{{name: app, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'exec sleep 100000']}}]}}}}"
    )
}

/// A program for awk that runs these statements ten times a second until there is a file /tmp/stop, and then says how many lines `i` it were,
/// each second.
pub fn until_stopped(statements: &str) -> String {
    format!(
        "BEGIN {{ while (system(\"test -e /tmp/stop\")) {{ {statements} fflush(); system(\"usleep 95000\") }} \
         while (1) {{ print \"end=\" i \";\"; fflush(); system(\"sleep 1\") }} }}"
    )
}

/// One that writes some 8 MB a second.
pub fn torrent() -> String {
    let filling = "x".repeat(8_000);
    until_stopped(&format!(
        "for (j = 0; j < 100; j++) print \"web=\" i++ \";{filling}\";"
    ))
}
