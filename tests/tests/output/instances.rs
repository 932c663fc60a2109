//! Containers that start again, start late or come first: each instance's output is shipped once.

use super::writers::{REST, asked_for_previous, container, follow, goes_on, numbered, restarts};
use anyhow::{Result, ensure};
use logship_tests::cluster::{Namespace, is_injected};
use logship_tests::peers::HttpSink;
use logship_tests::peers::proxy::Proxy;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, api_server, oracle, release};

/// Lines that each instance writes.
const LINES: usize = 300;
/// Starts of the container that crashes; the third stays.
const STARTS: usize = 3;

/// A script whose instances write the lines that follow those of the instance before, and that crashes before the last start. The API has
/// the output of an instance until the next one has ended, so one that crashes takes as long as a sidecar may need on a busy machine to
/// hear that its container was started.
fn crashing() -> String {
    let program = numbered("web", 0..LINES, LINES, "").replace("\"web=\" i", "\"web=\" (i + start)");
    format!(
        "n=$(cat /count/n 2>/dev/null || echo 0); echo $((n + 1)) >/count/n; awk -v start=$((n * {LINES})) '{program}'; \
         [ $n -lt {} ] && sleep 6 && exit 1; exec sleep 100000",
        STARTS - 1
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn init_crashing_and_ephemeral_containers_of_one_resource_are_shipped_once_each() -> Result<()> {
    release::ensure_installed().await?;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::enabled("instances").await?;
    let spec = format!(
        "  selector: {{}}
  sources: [{{name: output, containerOutput: {{containers: [setup, web, side, debugger]}}}}]
  sinks: [{{name: hub, http: {{url: '{}'}}}}]
",
        sink.url
    );
    namespace.ship("all", &spec).await?;
    let once = |name: &str| format!("awk '{}'", numbered(name, 0..LINES, LINES, ""));
    let setup = container("setup", &once("setup"));
    let side = container("side", &format!("{}; exec sleep 100000", once("side")));
    let web = container("web", &crashing()).replace(
        "name: web,",
        "name: web, volumeMounts: [{name: count, mountPath: /count}],",
    );
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: web, labels: {{app: web}}}}, spec: {{terminationGracePeriodSeconds: 1, \
             volumes: [{{name: count, emptyDir: {{}}}}], initContainers: [{setup}], containers: [{web}, {side}]}}}}"
        ))
        .await?;
    namespace.wait_pods("app=web", 1, "injected", is_injected).await?;
    namespace
        .must_kubectl(&[
            "debug",
            "web",
            "--container=debugger",
            &format!("--image={TOOLS_IMAGE}"),
            "--image-pull-policy=Never",
            "--quiet",
            "--",
            "sh",
            "-c",
            &once("debugger"),
        ])
        .await?;
    let expected = [
        ("setup", LINES),
        ("web", STARTS * LINES),
        ("side", LINES),
        ("debugger", LINES),
    ];
    wait_for("every line of every container arrives", PATIENCE, async || {
        let text = sink.received();
        let counts = expected.map(|(name, _)| (name, oracle::lines(&text, name).len()));
        Ok(
            if counts
                .iter()
                .zip(&expected)
                .all(|(found, wanted)| found.1 >= wanted.1)
            {
                Look::Done(())
            } else {
                Look::NotYet((counts, namespace.logs("web", "logship", false).await?))
            },
        )
    })
    .await?;
    let text = sink.received();
    for (name, lines) in expected {
        oracle::each_once(&text, name, lines)?;
    }
    // The status may lag behind the output.
    wait_for(
        "the crashing container was started as often",
        PATIENCE,
        async || {
            Ok(match restarts(&namespace, "web", "web").await? + 1 {
                starts if starts == i32::try_from(STARTS)? => Look::Done(()),
                other => Look::NotYet(other),
            })
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_wrote_last_while_nobody_was_connected_is_read_once_as_the_previous() -> Result<()> {
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("previous", &[]).await?;
    let proxy = Proxy::start(api_server::ADDRESS).await?;
    // The second half comes when the file is there; both instances write the same numbers.
    let half = |numbers| numbered("web", numbers, LINES / 2, "");
    let program = format!("{} {REST} {}", half(0..LINES / 2), half(LINES / 2..LINES));
    let follower = follow(&namespace, "web", &program, proxy.port, &sink).await?;
    let arrived = async |what: &str, count: usize| {
        wait_for(what, PATIENCE, async || {
            let found = oracle::lines(&sink.received(), "web").len();
            Ok(if found == count {
                Look::Done(())
            } else {
                Look::NotYet((found, follower.process.said()))
            })
        })
        .await
    };
    arrived("the first half arrives", LINES / 2).await?;
    proxy.refuse();
    goes_on(&namespace, "web").await?;
    wait_for("the second half is written", PATIENCE, async || {
        let found = oracle::lines(&namespace.logs("web", "web", false).await?, "web").len();
        Ok(if found == LINES {
            Look::Done(())
        } else {
            Look::NotYet(found)
        })
    })
    .await?;
    let pod = namespace.pods("app=web").await?.remove(0);
    namespace.kill_container(&pod, "web").await?;
    wait_for("the container runs again", PATIENCE, async || {
        Ok(match restarts(&namespace, "web", "web").await? {
            1 => Look::Done(()),
            other => Look::NotYet(other),
        })
    })
    .await?;
    proxy.cut();
    arrived(
        "the end of the first instance and the beginning of the second arrive",
        LINES + LINES / 2,
    )
    .await?;
    proxy.cut();
    goes_on(&namespace, "web").await?;
    arrived("the second instance arrives", 2 * LINES).await?;
    let asked = asked_for_previous(&namespace, "web", "web")?;
    ensure!(
        asked == 2,
        "the previous instance was asked for {asked} times: once, and once more to see that nothing new comes"
    );
    Ok(())
}
