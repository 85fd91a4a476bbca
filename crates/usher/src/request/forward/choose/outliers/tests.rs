use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use usher_rules::{
    config::{self, Environment, Input, NoFiles},
    plan::{self, Action, Targets},
};

use super::{Met, Outliers};

fn targets(n: usize, keys: &str) -> Targets {
    let to: Vec<String> = (0..n).map(|at| format!("'http://app{at}'")).collect();
    let text = format!(
        "address: 127.0.0.1:8443\nroutes:\n- from: https://tv.test\n  to: [{}]\n  \
         allow_any_authenticated_user: true\n  outlier_detection: {{{keys}}}\n",
        to.join(", ")
    );
    let draft = config::read(Input { name: None, text: &text }, &Environment::new());
    let plan = plan::compile(draft, &NoFiles).unwrap().0;
    match &plan.routes[0].action {
        Action::Forward(targets) => targets.clone(),
        Action::Redirect(_) | Action::Respond { .. } => panic!("it forwards"),
    }
}

/// A route whose requests meet what each letter says: `.` is 200, `5` 500, `g` 503, `x` nothing.
struct Story {
    outliers: Outliers,
    n: usize,
    now: Instant,
}

impl Story {
    fn new(n: usize, keys: &str) -> Self {
        let (targets, now) = (targets(n, keys), Instant::now());
        let settings = targets.outliers.as_ref().unwrap();
        Self { outliers: Outliers::new(settings, &targets.all, now), n, now }
    }

    fn meets(&mut self, at: usize, letters: &str) -> &mut Self {
        for letter in letters.chars() {
            let met = match letter {
                '.' => Met::Status(StatusCode::OK),
                '5' => Met::Status(StatusCode::INTERNAL_SERVER_ERROR),
                'g' => Met::Status(StatusCode::SERVICE_UNAVAILABLE),
                _ => Met::Nothing(StatusCode::SERVICE_UNAVAILABLE),
            };
            self.outliers.saw(at, met, self.now);
        }
        self
    }

    fn passes(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn out(&self) -> String {
        let out = |at| if self.outliers.is_out(at, self.now) { '-' } else { '+' };
        (0..self.n).map(out).collect()
    }
}

#[test]
fn failures_in_a_row_count_and_a_good_answer_between_forgives() {
    for (keys, letters, expected) in [
        ("", "5555", "++"),
        ("", "55555", "-+"),
        ("", "5555.5555", "++"),
        ("", "5g5x5", "-+"), // no answer counts as one
        ("", "ggggg", "-+"), // by the rule of all 5xx
        ("consecutive_5xx: 2", "55", "-+"),
        ("consecutive_5xx: 0", "5555555555", "++"),
        ("enforcing_consecutive_5xx: 0", "555555", "++"),
        ("consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100", "gg", "-+"),
        ("consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100", "g5g", "++"),
        ("split_external_local_origin_errors: true", "5x5x5x", "++"),
        ("split_external_local_origin_errors: true", "xxxxx", "-+"),
        (
            "split_external_local_origin_errors: true, enforcing_consecutive_local_origin_failure: 0",
            "xxxxx",
            "++",
        ),
        ("max_ejection_percent: 0", "55555", "++"),
        ("max_ejection_percent: 0, always_eject_one_host: true", "55555", "-+"),
    ] {
        assert_eq!(Story::new(2, keys).meets(0, letters).out(), expected, "{keys}: {letters}");
    }
}

#[test]
fn never_too_many_at_once() {
    let mut ten = Story::new(10, "consecutive_5xx: 1, max_ejection_percent: 25");
    for at in 0..10 {
        ten.meets(at, "5");
    }
    assert_eq!(ten.out(), "---+++++++", "as soon as a quarter is out");
    let mut two = Story::new(2, "consecutive_5xx: 1");
    assert_eq!(two.meets(0, "5").meets(1, "5").out(), "-+", "10 % of two is the first alone");
}

#[test]
fn the_time_alone_grows_and_shrinks_again() {
    let mut one = Story::new(2, "consecutive_5xx: 1, max_ejection_time: 70s");
    for alone in [30, 60, 70, 70] {
        one.meets(0, "5").passes(alone - 1);
        assert_eq!(one.out(), "-+", "{alone} s");
        one.passes(1);
        assert_eq!(one.out(), "++", "{alone} s");
    }
    for _ in 0..4 {
        one.passes(10).meets(0, "."); // an interval each
    }
    one.meets(0, "5").passes(30);
    assert_eq!(one.out(), "++", "as at first");
}

#[test]
fn shares_are_compared_at_the_end_of_an_interval() {
    let rate = "consecutive_5xx: 0, success_rate_minimum_hosts: 3, success_rate_request_volume: 10, \
                success_rate_stdev_factor: 1000, max_ejection_percent: 50";
    let share = "consecutive_5xx: 0, enforcing_success_rate: 0, enforcing_failure_percentage: 100, \
                 failure_percentage_minimum_hosts: 3, failure_percentage_request_volume: 10, \
                 failure_percentage_threshold: 30, max_ejection_percent: 50";
    for (keys, bad, expected) in [
        (rate, "555.......", "-+++"),
        (share, "555.......", "-+++"),
        (share, "55........", "++++"),
        (share, "555......", "++++"), // too few to judge by
    ] {
        let mut four = Story::new(4, keys);
        four.meets(0, bad);
        for at in 1..4 {
            four.meets(at, "..........");
        }
        assert_eq!(four.out(), "++++", "not before its end");
        assert_eq!(four.passes(10).meets(3, ".").out(), expected, "{keys}: {bad}");
    }
}

#[test]
fn a_check_that_finds_it_well_brings_it_back() {
    for (keys, expected) in
        [("", "++"), ("successful_active_health_check_uneject_host: false", "-+")]
    {
        let mut story = Story::new(2, keys);
        story.meets(0, "55555");
        story.outliers.found_well(0);
        assert_eq!(story.out(), expected, "{keys}");
    }
}
