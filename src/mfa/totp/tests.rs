use super::*;
use crate::mfa::factor::{Primary, PrimaryMethod};
use crate::mfa::ids::{ClientId, EventId, FactorId, TenantId, UserId};

const SIX: Parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Six };
const EIGHT: Parameters = Parameters { algorithm: Algorithm::Sha1, digits: Digits::Eight };
const WIDE: Window = Window { past: 2, future: 2 };
const NONE_SPENT: Step = Step::from_number(-1);

/// The seed of both RFCs: "1234567890" over and over.
fn rfc_seed(length: usize) -> Seed {
    let bytes = b"1234567890".iter().copied().cycle().take(length).collect();
    Seed::from_stored(Secret::new(bytes)).unwrap()
}

fn text(code: &Code) -> String {
    code.0.expose().iter().filter(|b| **b != 0).map(|b| char::from(*b)).collect()
}

fn code_at(step: i64) -> Code {
    candidate(&generator(rfc_seed(20).expose(), SIX), step)
}

fn at_step(step: i64) -> Timestamp {
    Timestamp::from_seconds(step * 30 + 29)
}

fn search(code: &Code, step: i64, window: Window, last_step: i64) -> Option<i64> {
    let (seed, last_step) = (rfc_seed(20), Step::from_number(last_step));
    match_code(Some(&seed), SIX, code, at_step(step), window, last_step).ok().map(Step::number)
}

#[test]
fn rfc_4226_appendix_d() {
    let values = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489";
    for (step, value) in (0..).zip(values.split(' ')) {
        assert_eq!(text(&code_at(step)), value);
    }
}

#[test]
fn rfc_6238_appendix_b() {
    let kinds = [(Algorithm::Sha1, 20), (Algorithm::Sha256, 32), (Algorithm::Sha512, 64)];
    for (seconds, values) in [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ] {
        let now = Timestamp::from_seconds(seconds);
        for ((algorithm, length), value) in kinds.into_iter().zip(values) {
            let (seed, parameters) = (rfc_seed(length), Parameters { algorithm, ..EIGHT });
            let (code, exact) = (Code::parse(value).unwrap(), Window { past: 0, future: 0 });
            let found = match_code(Some(&seed), parameters, &code, now, exact, NONE_SPENT);
            assert_eq!(found, Ok(now.step()), "{value}");
        }
    }
}

#[test]
fn the_window_ends_where_it_says() {
    for (past, future) in [(2, 2), (1, 0), (0, 1), (0, 0)] {
        for distance in -4..=4_i64 {
            let inside = (-past..=future).contains(&distance).then_some(100 + distance);
            let found = search(&code_at(100 + distance), 100, Window { past, future }, -1);
            assert_eq!(found, inside, "{distance} in {past}, {future}");
        }
    }
}

#[test]
fn a_spent_step_and_earlier_ones_are_refused() {
    assert_eq!(search(&code_at(100), 100, WIDE, 99), Some(100));
    assert_eq!(search(&code_at(100), 100, WIDE, 100), None);
    assert_eq!(search(&code_at(99), 100, WIDE, 100), None);
    assert_eq!(search(&code_at(101), 100, WIDE, 100), Some(101));
}

#[test]
fn of_two_steps_with_one_code_the_later_is_found() {
    let twins = Code::parse("038755").unwrap();
    assert_eq!(text(&code_at(679_858)), text(&twins));
    assert_eq!(text(&code_at(679_860)), text(&twins));
    assert_eq!(search(&twins, 679_859, WIDE, -1), Some(679_860));
    assert_eq!(search(&twins, 679_859, WIDE, 679_860), None);
}

#[test]
fn nothing_underflows_in_1970_or_overflows_in_9999() {
    for step in 0..3 {
        assert_eq!(search(&code_at(0), step, WIDE, -100), Some(0));
    }
    let last = Timestamp::from_millis(i64::MAX).step().number();
    assert_eq!(search(&code_at(last), last, WIDE, last - 1), Some(last));
    assert_eq!(search(&code_at(last), last, WIDE, i64::MAX), None);
}

#[test]
fn without_a_seed_no_code_matches() {
    let right = candidate(&generator(&NO_SEED, SIX), 100);
    assert!(match_code(None, SIX, &right, at_step(100), WIDE, NONE_SPENT).is_err());
}

#[test]
fn a_code_of_another_length_never_matches() {
    let seed = rfc_seed(20);
    let found = |parameters, typed: &str| {
        let code = Code::parse(typed).unwrap();
        match_code(Some(&seed), parameters, &code, at_step(1), WIDE, NONE_SPENT).is_ok()
    };
    assert!(found(SIX, "287082") && found(EIGHT, "94287082"));
    assert!(!["94287082", "28708200", "00287082"].into_iter().any(|code| found(SIX, code)));
    assert!(!["942870", "287082"].into_iter().any(|code| found(EIGHT, code)));
}

#[test]
fn a_code_is_a_string_of_digits_and_no_error_repeats_it() {
    let code: Code = serde_json::from_str(r#""081804""#).unwrap();
    assert_eq!(text(&code), "081804");
    assert_eq!(format!("{code:?}"), "Code([secret])");
    let number = serde_json::from_str::<Code>("123456").unwrap_err().to_string();
    assert!(!number.contains("12345"), "{number}");
    for typed in ["081 804", "0818-04", "０８１８０４", "٠٨١٨٠٤", "081\u{a0}804 "] {
        assert!(Code::parse(typed).unwrap().ct_eq(&code).unwrap_u8() == 1, "{typed}");
    }
    for text in ["", "12345", "1234567", "123456789", " 12345", "12345a", "+12345", "١٢٣"] {
        assert!(Code::parse(text).is_err(), "{text}");
    }
}

#[test]
fn digits_are_an_integer_on_the_wire() {
    assert_eq!(serde_json::to_string(&Digits::Eight).unwrap(), "8");
    assert_eq!(serde_json::from_str::<Digits>("6").unwrap(), Digits::Six);
    for json in ["7", "\"6\"", "6.0", "-6", "null", "262"] {
        assert!(serde_json::from_str::<Digits>(json).is_err(), "{json}");
    }
    let schema = serde_json::to_value(<Digits as utoipa::PartialSchema>::schema()).unwrap();
    assert_eq!(schema["type"], "integer");
    assert_eq!(schema["enum"], serde_json::json!([6, 8]));
}

#[test]
fn only_a_right_fresh_code_becomes_a_match() {
    let login = Login {
        tenant: TenantId::from_random([1; 16]),
        user: UserId::from_random([2; 16]),
        client: ClientId::from_random([3; 16]),
        factor: FactorId::from_random([4; 16]),
        epoch: 1,
        event: EventId::from_random([5; 16]),
        at: at_step(100),
        primary: Primary { method: PrimaryMethod::Password, at: at_step(99) },
        grants: Vec::new(),
        key: None,
    };
    let (seed, code, step) = (rfc_seed(20), code_at(101), Step::from_number(101));
    let found = |seed: Option<&Seed>, code: &Code, last| {
        matched(login.clone(), seed, SIX, code, WIDE, last).map(|right| *right.evidence())
    };
    assert_eq!(found(Some(&seed), &code, step.offset(-1)), Ok(step));
    assert_eq!(found(Some(&seed), &code, step), Err(Unmatched::Replayed));
    assert_eq!(found(Some(&seed), &code_at(200), step), Err(Unmatched::Wrong));
    assert_eq!(found(None, &code, step), Err(Unmatched::NoFactor));
}
