//! What identifies a generated learner. Nothing of it can reach or name a real person by design:
//! mail domains kept for examples, phone numbers no carrier may assign, invented towns.

use jiff::Span;
use jiff::civil::Date;

use super::days::days_before;
use super::names::{FAMILY_NAMES, GIVEN_NAMES, MAIL_DOMAINS, Name, REGIONS, Region, TOWNS};
use super::random::{Random, Stream};

/// Name, address and birth of one learner.
pub(super) struct Person {
    pub(super) family: Name,
    pub(super) given: Name,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) postal_code: String,
    pub(super) prefecture: &'static str,
    /// The whole address, the prefecture first.
    pub(super) address: String,
    pub(super) birth_date: Date,
}

impl Person {
    /// Makes the person behind learner `number`, always the same.
    pub(super) fn of(number: u64, as_of: Date) -> Self {
        let mut random = Random::of(Stream::Person, number);
        let family = random.pick(&FAMILY_NAMES);
        let given = random.pick(&GIVEN_NAMES);
        let region = random.pick(&REGIONS);
        let domain = random.pick(&MAIL_DOMAINS);
        Self {
            family,
            given,
            // The number keeps addresses unique, as a learning system demands.
            email: format!("{}.{}.{number}@{domain}", family.2, given.2),
            phone: mobile_number(&mut random),
            postal_code: format!("{}-{:04}", region.2, random.below(10_000)),
            prefecture: region.0,
            address: address(&mut random, region),
            birth_date: birth_date(&mut random, as_of),
        }
    }

    /// Family and given name, as a Japanese form has them.
    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.family.0, self.given.0)
    }
}

/// A number in the shape of a mobile one. The digit after the prefix is never 0 in Japan's
/// numbering plan (電気通信番号計画), so it is nobody's.
pub(super) fn mobile_number(random: &mut Random) -> String {
    let prefix = random.pick(&["070", "080", "090"]);
    format!(
        "{prefix}-0{:03}-{:04}",
        random.below(1000),
        random.below(10_000)
    )
}

fn address(random: &mut Random, (prefecture, city, _): Region) -> String {
    let town = random.pick(&TOWNS);
    let (block, lot, house) = (
        random.between(1, 6),
        random.between(1, 30),
        random.between(1, 20),
    );
    if random.happens(350) {
        let room = random.between(1, 12) * 100 + random.between(1, 8);
        return format!("{prefecture}{city}{town}{block}-{lot}-{house} 見本ハイツ{room}号室");
    }
    format!("{prefecture}{city}{town}{block}-{lot}-{house}")
}

/// From 18 to 65 years old.
fn birth_date(random: &mut Random, as_of: Date) -> Date {
    let adult = as_of.saturating_sub(Span::new().years(18));
    days_before(adult, random.between(0, 47 * 365))
}
