use super::*;

/// The sources `output` and `more` with these spills, and a state volume of this size.
fn with(spills: [Value; 2], state: Value) -> impl FnOnce(&mut Value) {
    move |spec| {
        let [output, more] = spills;
        let source = |name: &str, spill: Value| {
            let mut source = json!({"name": name, "containerOutput": {}});
            if !spill.is_null() {
                source["containerOutput"]["spill"] = json!({"maxBytes": spill});
            }
            source
        };
        spec["sources"] = json!([source("output", output), source("more", more)]);
        if !state.is_null() {
            spec["sidecar"]["state"] = state;
        }
    }
}

fn spills(change: impl FnOnce(&mut Value)) -> Vec<u64> {
    let valid = validate(&spec(change)).unwrap();
    let spill = |source: &agent::Source| match &source.kind {
        agent::SourceKind::ContainerOutput(output) => output.spill.max_bytes >> 20,
        agent::SourceKind::Files(_) => panic!("no container output"),
    };
    valid.sources.iter().map(spill).collect()
}

#[test]
fn sources_that_say_nothing_get_what_there_is_room_for() {
    let check =
        |of: [Value; 2], state: Value, expected: [u64; 2]| assert_eq!(spills(with(of, state)), expected);
    let none = || [Value::Null, Value::Null];
    let size = |text: &str| json!({"emptyDir": {"sizeLimit": text}});
    // Three sinks have dead letters of 8Mi each.
    check(none(), Value::Null, [9, 9]);
    check(none(), size("1Gi"), [16, 16]);
    check(none(), size("40M"), [3, 3]);
    check(none(), size("28Mi"), [0, 0]);
    check(none(), size("1Mi"), [0, 0]);
    check(none(), size("0"), [16, 16]);
    check(
        none(),
        json!({"persistentVolumeClaim": {"claimName": "logs"}}),
        [16, 16],
    );
    check([json!("20Mi"), Value::Null], Value::Null, [20, 9]);
    check([json!("0"), json!("0")], Value::Null, [0, 0]);
}

#[test]
fn spills_that_the_state_volume_has_no_room_for_are_mistakes() {
    let remedy = "has 39Mi for all of these together, of 64Mi with 3 dead-letter files of 8Mi: write less, or raise \
        spec.sidecar.state.emptyDir.sizeLimit or lower spec.limits.deadLetterBytes";
    let field = |index| format!("spec.sources[{index}].containerOutput.spill.maxBytes");
    check(
        with([json!("40Mi"), Value::Null], Value::Null),
        &[(&field(0), "40Mi", remedy)],
    );
    check(
        with([json!("20Mi"), json!("20Mi")], Value::Null),
        &[(&field(0), "20Mi", remedy), (&field(1), "20Mi", remedy)],
    );
    check(
        with([json!("0"), json!("40Mi")], Value::Null),
        &[(&field(1), "40Mi", remedy)],
    );
    let claim = json!({"persistentVolumeClaim": {"claimName": "logs"}});
    assert_eq!(spills(with([json!("1Gi"), json!("1Gi")], claim)), [1024, 1024]);
    let large = |spec: &mut Value| {
        with([json!("40Mi"), Value::Null], Value::Null)(spec);
        spec["limits"] = json!({"deadLetterBytes": "1Mi"});
    };
    assert_eq!(spills(large)[0], 40);
}

#[test]
fn dead_letters_alone_that_have_no_room_are_no_mistake_of_a_spill() {
    let change = |spec: &mut Value| {
        with([Value::Null, json!("0")], Value::Null)(spec);
        spec["limits"] = json!({"deadLetterBytes": "1Gi"});
    };
    assert_eq!(spills(change), [0, 0]);
}
