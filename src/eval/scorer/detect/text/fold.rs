//! Folding: full-width, mathematical and circled letters, look-alikes of other scripts, invisible characters.
//! Kept out: anything that decodes.

/// Letters of other scripts that look like a Latin one. Our own choice: the pairs that a reader does not tell apart.
const LOOK_ALIKES: &[(&str, char)] = &[
    ("аɑαàáâãäåāăąǎȧạảⱥᴀ", 'a'),
    ("АΑÀÁÂÃÄÅĀĂĄǍȦẠẢ", 'a'),
    ("ʙвВΒƀɓḃḅ", 'b'),
    ("сϲᴄçćĉċčСϹÇĆĈĊČ", 'c'),
    ("ԁɗďđḋḍᴅĎĐḊḌ", 'd'),
    ("еєèéêëēĕėęěẹẻᴇЕΕÈÉÊËĒĔĖĘĚẸẺ", 'e'),
    ("ƒḟꜰϜḞ", 'f'),
    ("ɡցĝğġģɢĜĞĠĢ", 'g'),
    ("һհĥħḣḥʜНΗĤĦḢḤ", 'h'),
    ("іїɩιìíîïĩīĭįıịỉɪІΙÌÍÎÏĨĪĬĮİỊỈ", 'i'),
    ("јϳĵᴊЈĴ", 'j'),
    ("кκķĸᴋКΚĶ", 'k'),
    ("ӏĺļľŀłḷʟĹĻĽĿŁḶ", 'l'),
    ("мᴍМΜṁṃṀṂ", 'm'),
    ("ոñńņňŋṅṇɴÑŃŅŇṄṆΝ", 'n'),
    ("оοσօòóôõöøōŏőơọỏᴏОΟÒÓÔÕÖØŌŎŐƠỌỎ", 'o'),
    ("рρṕṗᴘРΡṔṖ", 'p'),
    ("ԛզ", 'q'),
    ("гŕŗřṙṛʀŔŖŘṘṚ", 'r'),
    ("ѕśŝşšșṡṣꜱЅŚŜŞŠȘṠṢ", 's'),
    ("тτţťŧțṫṭᴛТΤŢŤŦȚṪṬ", 't'),
    ("υսùúûüũūŭůűųưụủᴜÙÚÛÜŨŪŬŮŰŲƯỤỦ", 'u'),
    ("νѵᴠṽṿ", 'v'),
    ("ԝωŵẁẃẅᴡŴẀẂẄ", 'w'),
    ("хχẋẍХΧẊẌ", 'x'),
    ("уγýÿŷỳỵʏУΥÝŸŶỲỴ", 'y'),
    ("ᴢźżžẓΖŹŻŽẒ", 'z'),
];

/// What a reader sees of a character, in its own case; none for what cannot be seen.
pub(in super::super) fn visible(letter: char) -> Option<char> {
    if letter.is_ascii() {
        return Some(letter);
    }
    let shifted = |from: char, to: u8| char::from_u32(u32::from(letter) - u32::from(from) + u32::from(to));
    match letter {
        // Soft hyphen, joiners, marks of direction, variation selectors, the byte order mark, combining marks.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0100}'..='\u{e01ef}'
        | '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' => None,
        // Tags: an invisible copy of ASCII.
        '\u{e0020}'..='\u{e007e}' => shifted('\u{e0020}', b' '),
        '\u{e0000}'..='\u{e001f}' | '\u{e007f}' => None,
        '\u{ff01}'..='\u{ff5e}' => shifted('\u{ff01}', b'!'),
        '\u{3000}' => Some(' '),
        '\u{24b6}'..='\u{24cf}' => shifted('\u{24b6}', b'A'),
        '\u{24d0}'..='\u{24e9}' => shifted('\u{24d0}', b'a'),
        '\u{1f130}'..='\u{1f149}' => shifted('\u{1f130}', b'A'),
        '\u{1f150}'..='\u{1f169}' => shifted('\u{1f150}', b'A'),
        '\u{1f170}'..='\u{1f189}' => shifted('\u{1f170}', b'A'),
        '\u{1f1e6}'..='\u{1f1ff}' => shifted('\u{1f1e6}', b'A'),
        '\u{1d400}'..='\u{1d6a3}' => {
            let place = (u32::from(letter) - 0x1d400) % 52;
            let base = if place < 26 { u32::from(b'A') + place } else { u32::from(b'a') + place - 26 };
            char::from_u32(base)
        }
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_u32(u32::from(b'0') + (u32::from(letter) - 0x1d7ce) % 10),
        'ℎ' => Some('h'),
        'ℬ' => Some('B'),
        'ℯ' => Some('e'),
        'ℰ' => Some('E'),
        'ℱ' => Some('F'),
        'ℊ' => Some('g'),
        'ℋ' | 'ℌ' => Some('H'),
        'ℐ' | 'ℑ' => Some('I'),
        'ℒ' => Some('L'),
        'ℳ' => Some('M'),
        'ℴ' => Some('o'),
        'ℛ' | 'ℜ' => Some('R'),
        'ℭ' => Some('C'),
        'ℨ' => Some('Z'),
        '⓪' | '⁰' | '₀' => Some('0'),
        '¹' | '₁' => Some('1'),
        '²' | '₂' => Some('2'),
        '³' | '₃' => Some('3'),
        '\u{2074}'..='\u{2079}' => shifted('\u{2074}', b'4'),
        '\u{2084}'..='\u{2089}' => shifted('\u{2084}', b'4'),
        '\u{2460}'..='\u{2468}' => shifted('\u{2460}', b'1'),
        other => Some(other),
    }
}

/// The Latin letter that a character looks like, in lower case.
fn latin(letter: char) -> Option<char> {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;
    static TABLE: LazyLock<BTreeMap<char, char>> = LazyLock::new(|| {
        LOOK_ALIKES.iter().flat_map(|(letters, latin)| letters.chars().map(|letter| (letter, *latin))).collect()
    });
    if letter.is_ascii() { None } else { TABLE.get(&letter).copied() }
}

/// The letters and digits of a text alone, in lower case, in their own script.
pub(in super::super) fn plain(text: &str) -> String {
    text.chars().filter_map(visible).filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// As [`plain`], with every look-alike as its Latin letter.
pub(in super::super) fn skeleton(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars().filter_map(visible) {
        match latin(letter) {
            Some(latin) => folded.push(latin),
            None if letter.is_alphanumeric() => folded.extend(letter.to_lowercase()),
            None => {}
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_alike() {
        let table = [
            ("Ｂｌｕｅ Ｈｅｒｏｎ", "blueheron"),
            ("В\u{200b}luе  Неrоn", "blueheron"),
            ("𝐁𝓁𝕦𝖾 𝙃𝚎𝗿𝑜𝐧", "blueheron"),
            ("B-l.u_e/H*e r\nøn", "blueheron"),
            ("ⓑⓛⓤⓔ Ⓗⓔⓡⓞⓝ", "blueheron"),
            ("b\u{336}l\u{336}u\u{336}e heron", "blueheron"),
            ("\u{e0062}\u{e006c}\u{e0075}\u{e0065}heron", "blueheron"),
            ("x² ₄ ⑦ 𝟘𝟡", "x24709"),
        ];
        for (text, want) in table {
            assert_eq!(skeleton(text), want, "{text}");
        }
        assert_eq!(plain("Ключ-42"), "ключ42");
    }

    #[test]
    fn no_look_alike_stands_twice() {
        let mut all: Vec<char> = LOOK_ALIKES.iter().flat_map(|(letters, _)| letters.chars()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|letter| !letter.is_ascii()));
    }
}
