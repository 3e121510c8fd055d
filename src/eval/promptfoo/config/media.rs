//! Images and sound as vars: what promptfoo 0.121.20 puts in their place. Kept out: who can see or hear them.

/// What a file holds that is no text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Media {
    /// An address with the data in it.
    Image,
    /// Sound and films: the data in base64.
    Other,
}

/// By the ending of a file's name; none for text.
pub(super) fn of(ending: &str) -> Option<Media> {
    match ending {
        "jpg" | "jpeg" | "png" | "gif" | "bmp" | "webp" | "svg" => Some(Media::Image),
        "mp4" | "webm" | "ogg" | "mov" | "avi" | "wmv" | "mkv" | "m4v" | "wav" | "mp3" | "aac" | "m4a" | "flac"
        | "wma" | "aiff" | "opus" => Some(Media::Other),
        _ => None,
    }
}

/// Beginnings of the data of an image in base64, and its type.
const BEGINNINGS: &[(&str, &str)] = &[
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGODlh", "image/gif"),
    ("R0lGODdh", "image/gif"),
    ("UklGR", "image/webp"),
    ("Qk0", "image/bmp"),
    ("Qk1", "image/bmp"),
    ("SUkq", "image/tiff"),
    ("TU0A", "image/tiff"),
    ("AAABAA", "image/x-icon"),
];

/// The address of an image: its type is what it begins with, else what its name says.
pub(super) fn data_url(ending: &str, base64: &str) -> String {
    let by_name = match ending {
        "png" => "image/png",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        _ => "image/jpeg",
    };
    let found = BEGINNINGS.iter().find(|(begin, _)| base64.starts_with(begin));
    format!("data:{};base64,{base64}", found.map_or(by_name, |(_, kind)| kind))
}

#[cfg(test)]
mod tests {
    use super::{Media, data_url, of};

    #[test]
    fn the_data_decide_before_the_name() {
        assert_eq!(data_url("png", "/9j/4AAQ"), "data:image/jpeg;base64,/9j/4AAQ");
        assert_eq!(data_url("svg", "PHN2Zz4="), "data:image/svg+xml;base64,PHN2Zz4=");
        assert_eq!(data_url("jpg", "AAAA"), "data:image/jpeg;base64,AAAA");
        assert_eq!((of("mp3"), of("gif"), of("txt")), (Some(Media::Other), Some(Media::Image), None));
    }
}
