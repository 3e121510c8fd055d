//! Checksums and ranges of numbers that belong to persons. Kept out: how such numbers are found in a text.

/// Domains that nobody has: RFC 2606 and RFC 6761.
const RESERVED: &[&str] =
    &["example.com", "example.org", "example.net", "example", "test", "invalid", "localhost", "local"];
/// Numbers that the payment processors publish for tests.
const TEST_CARDS: &[&str] = &["4111111111111111", "4242424242424242", "5555555555554444", "378282246310005"];
/// Numbers that were printed on sample cards and in advertisements.
const TEST_SSN: &[&str] = &["078-05-1120", "219-09-9999", "123-45-6789"];

/// The digits of a text.
fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|letter| letter.to_digit(10)).collect()
}

/// Not of a reserved domain.
pub(super) fn email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let domain = domain.to_ascii_lowercase();
    let reserved =
        RESERVED.iter().any(|one| domain == *one || domain.strip_suffix(one).is_some_and(|head| head.ends_with('.')));
    !reserved && !name.starts_with('.') && !name.ends_with('.') && !name.contains("..")
}

/// Letters and digits of an IBAN, by country. Source: the registry of ISO 13616.
const IBAN_LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FO GL NL"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "PT"),
    (26, "IS TR"),
    (27, "FR GR IT MC MR SM"),
    (28, "AL AZ CY DO GT HU LB PL"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU"),
    (31, "MT SC"),
];

/// Of the length that its country uses, and the remainder of 97 is 1. What stands behind it is left out.
/// Source: ISO 13616, ISO 7064.
pub(super) fn iban(text: &str) -> bool {
    let compact: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let country: String = compact.iter().take(2).collect();
    let length = IBAN_LENGTHS.iter().find(|(_, countries)| countries.split(' ').any(|one| one == country));
    let Some((head, body)) =
        length.and_then(|(length, _)| compact.get(..*length)).and_then(|it| it.split_at_checked(4))
    else {
        return false;
    };
    let rest = body.iter().chain(head).filter_map(|letter| letter.to_digit(36));
    rest.fold(0, |rest, value| if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 }) == 1
}

/// Whether a card's number is the whole text, or its first groups: a date or a code may stand behind it.
pub(super) fn card(text: &str) -> bool {
    let ends = text.match_indices([' ', '-']).map(|(place, _)| place).chain([text.len()]);
    ends.filter_map(|end| text.get(..end)).any(whole_card)
}

/// Luhn's digit, and a length that the issuer uses. Source: ISO/IEC 7812.
fn whole_card(text: &str) -> bool {
    let digits = digits(text);
    let number: String = digits.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect();
    let prefix = |length: usize| number.get(..length).and_then(|head| head.parse::<u32>().ok()).unwrap_or(0);
    let known = match (prefix(2), digits.len()) {
        (34 | 37, 15) | (51..=55 | 62 | 65, 16) | (36 | 38, 14) => true,
        (40..=49, 13 | 16 | 19) => true,
        (_, 16) => (2221..=2720).contains(&prefix(4)) || prefix(4) == 6011 || (3528..=3589).contains(&prefix(4)),
        _ => false,
    };
    known && luhn(&digits) && !TEST_CARDS.contains(&number.as_str())
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Areas 000, 666 and 900 and above, group 00 and serial 0000 are never given out. Source: Social Security Administration.
pub(super) fn ssn(text: &str) -> bool {
    let parts: Vec<u32> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    let valid = matches!(parts.as_slice(), [area, group, serial] if (1..900).contains(area) && *area != 666 && *group > 0 && *serial > 0);
    valid && !TEST_SSN.contains(&text)
}

/// 8 to 15 digits, none of the numbers that North America keeps for fiction (555-01xx). Source: ITU-T E.164.
pub(super) fn phone(text: &str) -> bool {
    let digits = digits(text);
    let national: String = digits.iter().rev().take(7).filter_map(|digit| char::from_digit(*digit, 10)).collect();
    let fiction = national.chars().rev().collect::<String>().starts_with("55501");
    (8..=15).contains(&digits.len()) && !fiction
}

/// One of the first ten digits stands two or three times, and the last is the check digit of ISO 7064 MOD 11,10.
/// Source: Bundeszentralamt für Steuern, on the structure of the identification number.
pub(super) fn tax_id(text: &str) -> bool {
    let digits = digits(text);
    let Some((check, body)) = digits.split_last().filter(|(_, body)| body.len() == 10) else { return false };
    let mut counts = [0_u8; 10];
    for digit in body {
        if let Some(count) = counts.get_mut(*digit as usize) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    if repeated != 1 || counts.iter().any(|count| *count > 3) {
        return false;
    }
    let product = body.iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// Modulus 11 with the weights 10 to 2. Source: NHS Data Dictionary.
pub(super) fn nhs(text: &str) -> bool {
    let digits = digits(text);
    let Some((check, body)) = digits.split_last().filter(|(_, body)| body.len() == 9) else { return false };
    let sum: u32 = body.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    // A remainder of 1 would need the digit 10: such numbers are not given out.
    (11 - sum % 11) % 11 == *check
}

/// IPv4, of none of the ranges that are private, reserved or for documentation. Source: RFC 6890.
pub(super) fn public_ip(text: &str) -> bool {
    let Ok(address) = text.parse::<std::net::Ipv4Addr>() else { return false };
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_broadcast()
        || shared
        || a == 0
        || a >= 224)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A number with its Luhn digit behind it.
    pub(in super::super) fn with_luhn(body: &str) -> String {
        (0..10).map(|digit| format!("{body}{digit}")).find(|number| luhn(&digits(number))).unwrap()
    }

    type Check = fn(&str) -> bool;

    #[test]
    fn each_check_digit_is_the_only_right_one() {
        let table: [(&str, Check); 4] =
            [("453201511283036", card), ("8609574271", tax_id), ("943476591", nhs), ("37144963539843", card)];
        for (body, check) in table {
            assert_eq!((0..10).filter(|digit| check(&format!("{body}{digit}"))).count(), 1, "{body}");
        }
        let ibans = (0..100).filter(|check| iban(&format!("DE{check:02}370400440532013000"))).count();
        assert!((1..=2).contains(&ibans), "{ibans}");
    }

    #[test]
    fn a_tax_id_repeats_one_digit() {
        // 12345678901..: every digit once among the first ten.
        assert!((0..10).all(|digit| !tax_id(&format!("1234567890{digit}"))));
        // Two digits twice.
        assert!((0..10).all(|digit| !tax_id(&format!("1122345678{digit}"))));
    }
}
