//! Leaves against an independent generator (Python's `hashlib` and `hmac`), byte for byte.

use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};
use sha2::{Digest, Sha256};

use crate::merkle::leaf_hash;
use crate::value::Value;

use super::{
    Action, Head, Kind, Leaf, LeafError, RecordEncoder, RecordPlace, RunKey, SubjectEncoder,
    subject_leaf,
};

const SHORT: RecordPlace<'_> = RecordPlace {
    client: "c",
    store: "s",
    object: "o",
};

/// The key of all vectors: the bytes 00 to 1f.
fn run_key() -> RunKey {
    RunKey::from_bytes(std::array::from_fn(|index| index as u8))
}

fn attempt(columns: &[&str]) -> RecordEncoder {
    let place = RecordPlace {
        client: "client-7f3a",
        store: "lms",
        object: "public.exam_attempt",
    };
    RecordEncoder::new(&run_key(), place, columns, 0).unwrap()
}

#[test]
fn a_record_has_the_bytes_and_the_leaf_of_the_design() {
    let key = [
        Value::Text("JP-101 情報倫理".to_owned()),
        Value::Int(1_000_007),
    ];
    let mut encoder = attempt(&["course_id", "learner_id"]);
    let record = "0000000b636c69656e742d37663361000000036c6d73000000137075626c69632e6578616d5f617474656d7074000200000009636f757273655f696403000000134a502d31303120e68385e5a0b1e580abe790860000000a6c6561726e65725f696402000000073130303030303700000000";
    assert_eq!(hex::encode(encoder.encode(&key, 0).unwrap()), record);
    let leaf = encoder.leaf(Action::RowDeleted, &key, 0).unwrap();
    assert_eq!(
        hex::encode(leaf.as_bytes()),
        "01010000957b171973995023999d454558fffb0b551d53785ae186354f2d155bb43d62d9"
    );
    assert_eq!(
        hex::encode(leaf_hash(leaf.as_bytes())),
        "176ac741a5a6b137ab921e3d34c0d8f645bf6355a668bccb9bdb676704ec07e1"
    );
}

#[test]
fn a_person_has_the_reference_and_the_leaf_of_the_design() {
    let mut encoder = SubjectEncoder::new(&run_key(), "client-7f3a", "learner").unwrap();
    let subject = encoder.reference(&Value::Int(1_000_007)).unwrap();
    assert_eq!(
        hex::encode(subject.as_bytes()),
        "2d54cf8a6f04df8e8535ac285ae064449ffb2ff1b93a02955faa610469c7048f"
    );
    let leaf = subject_leaf(Action::RowDeleted, 0, &subject, 14);
    assert_eq!(
        hex::encode(leaf.as_bytes()),
        "02010000865e79055cb72645e18a86a34e09ac1b47bc8e1a4b7d4fa41709816a7506dd35"
    );
    assert_eq!(
        hex::encode(leaf_hash(leaf.as_bytes())),
        "72466b94e4b45c5642bc28cde7b781d14db1c95cf63db814df3b7b772b0031b7"
    );
}

/// A value, its encoding, the leaf of a record with it as key, the reference of a person with it.
fn values() -> Vec<(Value, &'static str, &'static str, &'static str)> {
    vec![
        (
            Value::Null,
            "0000000000",
            "010100005f167b631b0b30de78e8338b2913e4435ca23150bdf83e0d833ba5bfe207e635",
            "5d126c144e268a0f9156fc46941abb385cbbac2585427a631139790da4e15c3d",
        ),
        (
            Value::Bool(false),
            "010000000100",
            "01010000d3ddba521135d3fa736c45077e4046be3ac108c5337e200c28ae0733512400c2",
            "6c5649ec720cab7c9c487fc7127f6d9044c940223d766b10cbcfe2694d86b8d0",
        ),
        (
            Value::Bool(true),
            "010000000101",
            "01010000ccf40ebfed47ec10d231b958d5634b4d12b620ec23a19a65d0a93c71cda8cf2c",
            "e135d5492db5a150299d4392f5d7415ce6c753a92ea53802e72272bf314b5bdd",
        ),
        (
            Value::Int(0),
            "020000000130",
            "0101000092024f12fd37e76eae546b029f306eb1c6b6df7d4aea82c7148f0838432ffba4",
            "e702e30a56dfa14955fb14af5f83e0977ca896a5e43210639a14eb9783e362b3",
        ),
        (
            Value::Int(-7),
            "02000000022d37",
            "0101000062411d7a24b1ecb043ca142a7028fc0f85a9a60ae55427ffa07fb4928fb94851",
            "e85d8c45b9d3eb1646f05ca6547a361b9315aab0c0e5a3333768d5bce6d5e343",
        ),
        (
            Value::Int(i64::MAX),
            "020000001339323233333732303336383534373735383037",
            "0101000030e7c7bcfaf8f5bb06df26824897ce52cd057ede5e6506621da5d6e18da66f10",
            "67278b8c8f37c3af9310414fe88550d01e8cb784f2144ca06ca6fc8d444f53ee",
        ),
        (
            Value::Int(i64::MIN),
            "02000000142d39323233333732303336383534373735383038",
            "01010000b0a16f0b22a24bbba25501522ae577d672de2ce29514f34fba07c0d8a005ea9a",
            "070277cec3c51b2f0d1cba2fed9bc84b6d408db9a5c49863443e5824f9ec5096",
        ),
        (
            Value::Text("".to_owned()),
            "0300000000",
            "01010000f0bce117b12643fe44a37c814654e9c11a7dcacaca82610b3b0087100d805e63",
            "7db1b92264b62dbdf27f63d1c72c094537f22b50165a4c8ba29b476d522a16dc",
        ),
        (
            Value::Text("氏名 髙橋\u{20000}".to_owned()),
            "0300000011e6b08fe5908d20e9ab99e6a98bf0a08080",
            "010100001d874184d827ef0bf3fb6f8fa197b260ac26ffbc809126f4ca687876f3d88071",
            "af159a657f3ee9e5a0042751987a83cf37891604e72865c594d8fd98228ba895",
        ),
        (
            Value::Text("ﾃｽﾄ ".to_owned()),
            "030000000aefbe83efbdbdefbe8420",
            "010100007e1f406408d8edf7e5b3b843a47404fb856ed05d8bdb7be8deca10312947c644",
            "777c2bf1d092b27582c86b4d344d6fc8c8923fe37e5e43c3226b74f2ad31e4b0",
        ),
        (
            Value::Bytes(vec![]),
            "0400000000",
            "01010000945a1b1942d16b46a4e84f9053cb212d19a1311b95462dd7649dd2c16257c1ef",
            "f35cae24e2209841fb4bc9cb3938509410b9033b79bd818268701eb302a524a6",
        ),
        (
            Value::Bytes(vec![0, 255, 16]),
            "040000000300ff10",
            "010100000703b41b999c185f364444d059324253468f0be8a4a2da04df486dc55aa1c160",
            "ad90e6870afd7187668fd2612ec54ff66a0779ff0fed14717a2229aac4a0b2a6",
        ),
        (
            Value::Uuid(0x0192_f3a4_b5c6_7d8e_9fa0_b1c2_d3e4_f506_u128.to_be_bytes()),
            "05000000100192f3a4b5c67d8e9fa0b1c2d3e4f506",
            "0101000050cc349dcb13d9e88fd03cf70f8bc6e488f2c2bbc7caebb0e12e0135cd149a83",
            "2ed6ec9608ce5f891fbd423aa826df5d95cc85d9b656d4398eda886aad6522f3",
        ),
        (
            Value::Instant(0),
            "060000000130",
            "01010000b4b7af192d7cd6cf71f313e73e590ed51c5f8eb8e124321ba062c582ee6eaa18",
            "1a4348c4d29d9c869760f4678d885586d963c52a227be8db743b8b7ab5662ad4",
        ),
        (
            Value::Instant(-1),
            "06000000022d31",
            "01010000f3c1bd49c4923126ca4242658330591cbfe8c717baadcbe32f67dee183fdc9fd",
            "23d6eff751847e71f6a9bf251ce8fa36b9db170605b8fa362376c493ddd9b6b2",
        ),
        (
            Value::Instant(1_732_233_600_123_456),
            "060000001031373332323333363030313233343536",
            "01010000f35be9bd57c84faa312710d2576306d1838c99da570f32276ad7f59b598d83eb",
            "9dfc5b24f74eca33f730ac0e1d2d807b59f6640ecd025aeeb9c94dca2b1cfc7c",
        ),
        (
            Value::Local("2024-02-29".to_owned()),
            "070000000a323032342d30322d3239",
            "010100009c9b5f0d789a0a9862edc37d7f79a79dab1dc145ac80816fc1ab50174a412af5",
            "7e1bcf8322f96bb3803fb59760d20e8bd18b7e94cb8dc917047ec9d83122940a",
        ),
        (
            Value::Local("2024-02-29T23:59:59.5".to_owned()),
            "0700000015323032342d30322d32395432333a35393a35392e35",
            "01010000413d092086f60f46766e8581b8716613c6c19d19ee6a5d022728dbe4a3e6745a",
            "4347c891df44e4fbbfb7c8464dd5a9c4e2859de395680a5b69b757396437ff88",
        ),
        (
            Value::Decimal("-12.3400".to_owned()),
            "08000000082d31322e33343030",
            "01010000ece8c965de107c9fcf4555a2889a2a2e777f9ccbcf7612cac2e0e4f304ccd883",
            "05b9c7cfcd9cc786a94b360d4210719cfb8d01e4207b5e13890727ecf64145f0",
        ),
    ]
}

#[test]
fn every_type_of_value_has_its_own_bytes() {
    let mut records = RecordEncoder::new(&run_key(), SHORT, &["k"], 0).unwrap();
    let mut subjects = SubjectEncoder::new(&run_key(), "c", "learner").unwrap();
    // Three lengths and one letter, the number of columns, and the column's name.
    let before = 3 * 5 + 2 + 5;
    for (value, encoded, leaf, subject) in values() {
        let key = std::slice::from_ref(&value);
        let record = records.encode(key, 0).unwrap();
        let value_bytes = &record[before..record.len() - 4];
        assert_eq!(hex::encode(value_bytes), encoded);
        let found = records.leaf(Action::RowDeleted, key, 0).unwrap();
        assert_eq!(hex::encode(found.as_bytes()), leaf, "{encoded}");
        let found = subjects.reference(&value).unwrap();
        assert_eq!(hex::encode(found.as_bytes()), subject, "{encoded}");
    }
}

#[test]
fn columns_stand_in_the_order_of_their_bytes_whatever_the_jobs_order() {
    let place = RecordPlace {
        client: "client-7f3a",
        store: "pg-main",
        object: "public.enrolment",
    };
    let columns = ["é", "Z", "a"];
    let key = [Value::Null, Value::Int(1), Value::Text("x".to_owned())];
    let mut encoder = RecordEncoder::new(&run_key(), place, &columns, 513).unwrap();
    let record = "0000000b636c69656e742d376633610000000770672d6d61696e000000107075626c69632e656e726f6c6d656e740003000000015a020000000131000000016103000000017800000002c3a9000000000000000003";
    assert_eq!(hex::encode(encoder.encode(&key, 3).unwrap()), record);
    let leaf = encoder.leaf(Action::AlreadyAbsent, &key, 3).unwrap();
    assert_eq!(
        hex::encode(leaf.as_bytes()),
        "010502016fb4dcff23d44750516c81e9851167afa8c5190d926f3078636fc53145ddfef7"
    );
}

#[test]
fn every_action_has_its_own_leaf_for_records_and_for_persons() {
    let expected = [
        (
            "0101ffffd5d7126c92292deeb16d759b34e6afbc7e4ef913ba8713a2ea131e5523f7f9f0",
            "0201ffff641a3b25affb86a1f49fe3c26f334cef89819a5d6cbbfe1d5baeac26d417928f",
        ),
        (
            "0102ffff726c0d8035d44e0861191e8a7c6ee4ef9b95416d33752d326ab8bebb5edb4de5",
            "0202ffff39b9d51c327b5c5bfb585219c1ed0487b43faf20e36433986356c4375a1fbacf",
        ),
        (
            "0103ffffbefb58a0b36e9ed126892323abf006fb5170839d34dbffe49511b447d54ebf4f",
            "0203ffffcf59390354990ad1a4aad3b80f66e9aa00b72e42c3f09de56943a7b79534fa3d",
        ),
        (
            "0104ffffcacdeeb02736a2a54f9f18b4edee3ead3f4a1418010c92a6da7ef8cf217daedb",
            "0204ffffde36a81ea7ad0179f3c6f20512c2dbcc56d554fb9bfa95d1406ca3ee3af7b058",
        ),
        (
            "0105ffff0413a0f762a4768af9e5ebf06322b60784d9327904ee7414b645fc2ed97c2165",
            "0205ffff653d9b5c2b899700e21e33e0df3222a3af1798f2d2b3995d3822bed74c6b3062",
        ),
        (
            "0106ffffacb446007469739b59864d6a311a04dbfdd55fd7f9491b208b13761097b2bdc8",
            "0206ffffbb98146ec269f211eee88f6174a0120f56de899b53698b75a5155d21ceb7028f",
        ),
        (
            "0107ffff2880023616324d4bfb420fa149e75529fbce5d2ce3682f6977d77b74125c8d9c",
            "0207ffff2b9d13ecaed28d65feecf2892f993c56e7a686e11ad3af87ec7ba9978e1ee321",
        ),
        (
            "0108ffff2909536c914cdf7ffbd0e22fa86c9558963b3612b07d02e8cde0ff9fba0d85d3",
            "0208fffff2933a892af81817924868a799c031663f93f578e864a50f3189553e50d4bca8",
        ),
    ];
    let mut records = RecordEncoder::new(&run_key(), SHORT, &["k"], u16::MAX).unwrap();
    let mut subjects = SubjectEncoder::new(&run_key(), "c", "learner").unwrap();
    let subject = subjects.reference(&Value::Int(1)).unwrap();
    for (action, (record, person)) in Action::ALL.into_iter().zip(expected) {
        let leaf = records.leaf(action, &[Value::Int(1)], 0).unwrap();
        assert_eq!(hex::encode(leaf.as_bytes()), record);
        let count = (1 << 40) + u64::from(action.code());
        let leaf = subject_leaf(action, u16::MAX, &subject, count);
        assert_eq!(hex::encode(leaf.as_bytes()), person);
    }
}

#[test]
fn the_head_of_a_leaf_can_be_read_and_nothing_else_is_one() {
    let mut records = RecordEncoder::new(&run_key(), SHORT, &["k"], 258).unwrap();
    let leaf = records.leaf(Action::Held, &[Value::Null], 0).unwrap();
    let head = Head {
        kind: Kind::Record,
        action: Action::Held,
        target: 258,
    };
    assert_eq!(leaf.head(), Some(head));
    for bytes in [[0, 1, 0, 0], [3, 1, 0, 0], [1, 0, 0, 0], [2, 9, 0, 0]] {
        assert_eq!(Head::from_bytes(bytes), None);
    }
}

#[test]
fn a_key_of_another_length_is_no_key_of_the_cluster() {
    let mut encoder = attempt(&["course_id", "learner_id"]);
    let error = encoder.leaf(Action::RowDeleted, &[Value::Int(1)], 0);
    let expected = LeafError::KeyLength {
        expected: 2,
        found: 1,
    };
    assert_eq!(error.unwrap_err(), expected);
}

#[test]
fn a_column_cannot_be_named_twice() {
    let error = RecordEncoder::new(&run_key(), SHORT, &["a", "b", "a"], 0).err();
    assert_eq!(error, Some(LeafError::ColumnTwice("a".to_owned())));
}

#[test]
fn secrets_and_persons_do_not_print() {
    let mut subjects = SubjectEncoder::new(&run_key(), "c", "learner").unwrap();
    let subject = subjects.reference(&Value::Int(1)).unwrap();
    assert_eq!(format!("{:?}", run_key()), "<redacted run key>");
    assert_eq!(format!("{subject:?}"), "<redacted subject reference>");
}

#[test]
fn five_thousand_records_have_five_thousand_leaves_and_their_persons_one_reference_each() {
    let mut records = attempt(&["learner_id", "attempt_id"]);
    let mut subjects = SubjectEncoder::new(&run_key(), "client-7f3a", "learner").unwrap();
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut persons = Vec::new();
    for number in 0..5_000 {
        let key = [Value::Int(number / 7), Value::Int(number)];
        leaves.push(records.leaf(Action::RowDeleted, &key, 0).unwrap());
        persons.push(subjects.reference(&key[0]).unwrap());
    }
    leaves.sort_unstable();
    leaves.dedup();
    persons.dedup();
    assert_eq!((leaves.len(), persons.len()), (5_000, 715));
}

/// The formula of the design in its plainest form: one concatenation, one padded key.
fn plain_reference(client: &str, kind: &str, number: i64) -> Vec<u8> {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let digits = number.to_string();
    let subject = [
        field(client.as_bytes()),
        field(kind.as_bytes()),
        vec![0x02],
        field(digits.as_bytes()),
    ]
    .concat();
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(run_key().expose());
    let keyed = |with: u8, message: &[u8]| {
        Sha256::digest([&block.map(|byte| byte ^ with)[..], message].concat())
    };
    let message = [b"kigen/subject-salt/v1\0".as_slice(), &subject].concat();
    let salt = keyed(0x5c, &keyed(0x36, &message));
    Sha256::digest([b"kigen/subject/v1\0".as_slice(), &salt, &subject].concat()).to_vec()
}

proptest! {
    #[test]
    fn any_integer_of_any_client_agrees_with_the_plain_formula(
        client in ".{0,80}", kind in ".{0,80}", numbers in proptest::collection::vec(any::<i64>(), 1..4)
    ) {
        let mut encoder = SubjectEncoder::new(&run_key(), &client, &kind).unwrap();
        for number in numbers {
            let found = encoder.reference(&Value::Int(number)).unwrap();
            prop_assert_eq!(found.as_bytes().to_vec(), plain_reference(&client, &kind, number));
        }
    }
}
