//! The time of day as RFC 3339 writes it, in UTC with milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use super::json::{ascii, digits};

const DAY: u64 = 86_400;

/// Remembers the text of the last second, since lines come many to a second.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    /// Seconds since the epoch, and one more: 0 is none.
    second: u64,
    text: Vec<u8>,
}

impl Stamp {
    /// Appends `2026-11-21T14:31:04.042Z`; the epoch for what lies before it.
    pub(crate) fn write(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() + 1 {
            self.second = since.as_secs() + 1;
            self.text.clear();
            spell(since.as_secs(), &mut self.text);
        }
        out.extend_from_slice(&self.text);
        let ms = u64::from(since.subsec_millis());
        out.extend_from_slice(&[b'.', ascii(ms / 100), ascii(ms / 10 % 10), ascii(ms % 10), b'Z']);
    }
}

fn spell(seconds: u64, out: &mut Vec<u8>) {
    let (year, month, day) = date(seconds / DAY);
    let time = seconds % DAY;
    let mut two = |before: &[u8], value: u64| {
        out.extend_from_slice(before);
        if value < 10 {
            out.push(b'0');
        }
        digits(out, value);
    };
    two(b"", year);
    two(b"-", month);
    two(b"-", day);
    two(b"T", time / 3600);
    two(b":", time / 60 % 60);
    two(b":", time % 60);
}

/// Year, month and day of a day since the epoch (Gregorian). Years are counted from March here: the leap day is then
/// the last day of a year, and the lengths of the months before it follow one rule.
fn date(days: u64) -> (u64, u64, u64) {
    const FOUR_CENTURIES: u64 = 146_097;
    const CENTURY: u64 = 36_524;
    const FOUR_YEARS: u64 = 1_461;
    // From 1 March of the year 0.
    let days = days + 719_468;
    let (cycles, rest) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    // The last day of the last century, and of the last year of four, would begin another one.
    let (centuries, rest) = ((rest / CENTURY).min(3), rest - (rest / CENTURY).min(3) * CENTURY);
    let (fours, rest) = (rest / FOUR_YEARS, rest % FOUR_YEARS);
    let (years, rest) = ((rest / 365).min(3), rest - (rest / 365).min(3) * 365);
    // Months from March have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let year = 400 * cycles + 100 * centuries + 4 * fours + years;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Every day of 430 years, counted one by one.
    #[test]
    fn days_follow_each_other() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..157_000 {
            assert_eq!(date(days), (year, month, day), "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!(year, 2399);
    }

    #[test]
    fn the_second_is_remembered_and_the_milliseconds_are_not() {
        let mut stamp = Stamp::default();
        let mut check = |ms: u64, expect: &str| {
            let mut out = Vec::new();
            stamp.write(UNIX_EPOCH + Duration::from_millis(ms), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(999, "1970-01-01T00:00:00.999Z");
        check(1_000, "1970-01-01T00:00:01.000Z");
        check(951_782_399_007, "2000-02-28T23:59:59.007Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(999, "1970-01-01T00:00:00.999Z");
    }
}
