//! Tests of `live::builder`.

use super::*;

#[track_caller]
fn check<const N: usize>(variables: [(&str, &str); N], expected: &str) {
    let sampler = sampler(&variables.into());
    let sampler = sampler.map_or_else(|error| error.to_string(), |sampler| format!("{sampler:?}"));
    assert_eq!(sampler, expected);
}

#[test]
fn samplers_are_built_from_the_variables() {
    check([], "ParentBased(AlwaysOn)");
    check([(SAMPLER, "always_off")], "AlwaysOff");
    check([(SAMPLER, "parentbased_always_off")], "ParentBased(AlwaysOff)");
    check([(SAMPLER, "traceidratio"), (SAMPLER_ARGUMENT, "0.25")], "TraceIdRatioBased(0.25)");
    check([(SAMPLER, "parentbased_traceidratio")], "ParentBased(TraceIdRatioBased(1.0))");
    for bad in ["1.5", "-0.1", "half", "NaN"] {
        let expected = format!("{SAMPLER_ARGUMENT} is `{bad}`; expected a number from 0 to 1");
        check([(SAMPLER, "traceidratio"), (SAMPLER_ARGUMENT, bad)], &expected);
    }
    let expected = "OTEL_TRACES_SAMPLER is `xray`; expected `always_on`, `always_off`, `traceidratio`, \
                    `parentbased_always_on`, `parentbased_always_off` or `parentbased_traceidratio`";
    check([(SAMPLER, "xray")], expected);
}
