//! Kinds of GPUs by the driver's names and their memory, with what their makers publish of them.
//! Kept out: what follows from it (`need`, `health`).

use super::device::GpuDevice;

/// One kind of GPU, in one of its forms: a kind such as `h100-80gb` may have several with figures of their own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kind {
    /// As an input names it.
    pub name: &'static str,
    /// Words that the driver's name has, in upper case, cut at spaces and hyphens.
    words: &'static [&'static str],
    /// The memory that it is sold with, in GB; what the driver shows differs by ECC and by reserved parts.
    pub memory_gb: f64,
    /// Published bandwidth of its memory in GB/s (10^9 bytes).
    pub bandwidth_gbs: f64,
    /// Lanes of PCIe; none where it is not on PCIe.
    pub pcie_width: Option<u32>,
    /// Published speed in float32 without tensor cores, in TFLOPS.
    pub float_tflops: f64,
}

/// How far the driver's figure for the memory may be from the sold one, as a share. A T4 of 16 GB shows 15.6 GB, an H100 of
/// 80 GB shows 85.5 GB; the neighbours in one family (16 and 32, 40 and 80) are a factor of two apart.
const MEMORY_TOLERANCE: f64 = 0.12;

const fn kind(
    name: &'static str,
    words: &'static [&'static str],
    (memory_gb, bandwidth_gbs, lanes, float_tflops): (f64, f64, u32, f64),
) -> Kind {
    let pcie_width = if lanes == 0 { None } else { Some(lanes) };
    Kind { name, words, memory_gb, bandwidth_gbs, pcie_width, float_tflops }
}

/// All kinds. The first whose words are all there, and whose memory fits, is a device's. In brackets: memory in GB,
/// bandwidth in GB/s, lanes of PCIe (0: not on PCIe), TFLOPS in float32. A comment names the source of the row above it or
/// beside it, a vendor's data sheet.
pub const KINDS: &[Kind] = &[
    // NVIDIA Blackwell and Blackwell Ultra data sheets, a GPU of HGX B200 (180 GB, 7.7 TB/s) and of HGX B300 (270 GB, 7.7 TB/s);
    // drivers show 192 and 288 GB.
    kind("b200", &["B200"], (180.0, 7700.0, 16, 75.0)),
    kind("b300", &["B300"], (270.0, 7700.0, 16, 75.0)),
    // GB200 NVL72 and GB300 NVL72 data sheets: 186 and 279 GB, and 8 TB/s a GPU.
    kind("gb200", &["GB200"], (186.0, 8000.0, 0, 80.0)),
    kind("gb300", &["GB300"], (279.0, 8000.0, 0, 80.0)),
    // GH200 Grace Hopper data sheet: 96 GB HBM3 with 4 TB/s, 144 GB HBM3e with 4.9 TB/s.
    kind("gh200", &["GH200"], (96.0, 4000.0, 0, 67.0)),
    kind("gh200", &["GH200"], (144.0, 4900.0, 0, 67.0)),
    // H200 data sheet: 141 GB, 4.8 TB/s; 67 (SXM) and 60 (NVL) TFLOPS.
    kind("h200-nvl", &["H200", "NVL"], (141.0, 4800.0, 16, 60.0)),
    kind("h200", &["H200"], (141.0, 4800.0, 16, 67.0)),
    // H100 data sheet: NVL 94 GB, 3.9 TB/s; SXM 80 GB, 3.35 TB/s; first data sheet, PCIe 80 GB, 2 TB/s, 51 TFLOPS.
    kind("h100-nvl", &["H100", "NVL"], (94.0, 3900.0, 16, 60.0)),
    kind("h100-80gb", &["H100", "PCIE"], (80.0, 2000.0, 16, 51.0)),
    kind("h100-80gb", &["H100", "HBM3"], (80.0, 3350.0, 16, 67.0)),
    // H800 is H100 with other links between cards; a driver's name without `PCIe` is the SXM form's.
    kind("h800-80gb", &["H800", "PCIE"], (80.0, 2000.0, 16, 51.0)),
    kind("h800-80gb", &["H800"], (80.0, 3350.0, 16, 67.0)),
    // H20, as its sellers publish it: 96 GB with 4 TB/s, 141 GB with 4.8 TB/s; 44 TFLOPS.
    kind("h20", &["H20"], (96.0, 4000.0, 16, 44.0)),
    kind("h20-141gb", &["H20"], (141.0, 4800.0, 16, 44.0)),
    // A100 80GB data sheet: PCIe 1935 GB/s, SXM 2039 GB/s; A100 40GB: 1555 GB/s.
    kind("a100-80gb", &["A100", "SXM4"], (80.0, 2039.0, 16, 19.5)),
    kind("a100-80gb", &["A100"], (80.0, 1935.0, 16, 19.5)),
    kind("a100-40gb", &["A100"], (40.0, 1555.0, 16, 19.5)),
    // A800 is A100 with other links between cards.
    kind("a800-80gb", &["A800", "SXM4"], (80.0, 2039.0, 16, 19.5)),
    kind("a800-80gb", &["A800"], (80.0, 1935.0, 16, 19.5)),
    kind("a800-40gb", &["A800"], (40.0, 1555.0, 16, 19.5)),
    // A30, A40, A10, A16 and A2 data sheets; A16 is four GPUs on one card. A10G: Amazon's page of G5 instances.
    kind("a30", &["A30"], (24.0, 933.0, 16, 10.3)),
    kind("a40", &["A40"], (48.0, 696.0, 16, 37.4)),
    kind("a10", &["A10"], (24.0, 600.0, 16, 31.2)),
    kind("a10g", &["A10G"], (24.0, 600.0, 16, 31.2)),
    kind("a16", &["A16"], (16.0, 200.0, 16, 4.5)),
    kind("a2", &["A2"], (16.0, 200.0, 8, 4.5)),
    // L40S, L40, L4 and L20 data sheets.
    kind("l40s", &["L40S"], (48.0, 864.0, 16, 91.6)),
    kind("l40", &["L40"], (48.0, 864.0, 16, 90.5)),
    kind("l20", &["L20"], (48.0, 864.0, 16, 59.8)),
    kind("l4", &["L4"], (24.0, 300.0, 16, 30.3)),
    // V100 and V100S data sheets: SXM2 15.7, PCIe 14, V100S 16.4 TFLOPS.
    kind("v100-32gb", &["V100S"], (32.0, 1134.0, 16, 16.4)),
    kind("v100-32gb", &["V100"], (32.0, 900.0, 16, 14.0)),
    kind("v100-16gb", &["V100"], (16.0, 900.0, 16, 14.0)),
    // T4, P100 and P40 data sheets.
    kind("t4-16gb", &["T4"], (16.0, 300.0, 16, 8.1)),
    kind("p100-16gb", &["P100"], (16.0, 732.0, 16, 9.3)),
    kind("p40", &["P40"], (24.0, 346.0, 16, 12.0)),
    // RTX PRO Blackwell data sheets.
    kind("rtx-pro-6000", &["RTX", "PRO", "6000", "SERVER"], (96.0, 1597.0, 16, 120.0)),
    kind("rtx-pro-6000", &["RTX", "PRO", "6000"], (96.0, 1792.0, 16, 125.0)),
    // RTX Ada and RTX A data sheets.
    kind("rtx-6000-ada", &["RTX", "6000", "ADA"], (48.0, 960.0, 16, 91.1)),
    kind("rtx-5000-ada", &["RTX", "5000", "ADA"], (32.0, 576.0, 16, 65.3)),
    kind("rtx-4000-sff-ada", &["RTX", "4000", "SFF", "ADA"], (20.0, 280.0, 16, 19.2)),
    kind("rtx-4000-ada", &["RTX", "4000", "ADA"], (20.0, 360.0, 16, 26.7)),
    kind("rtx-a6000", &["RTX", "A6000"], (48.0, 768.0, 16, 38.7)),
    kind("rtx-a5000", &["RTX", "A5000"], (24.0, 768.0, 16, 27.8)),
    kind("rtx-a4000", &["RTX", "A4000"], (16.0, 448.0, 16, 19.2)),
    // Quadro RTX and TITAN RTX data sheets.
    kind("quadro-rtx-8000", &["RTX", "8000"], (48.0, 672.0, 16, 16.3)),
    kind("quadro-rtx-6000", &["QUADRO", "RTX", "6000"], (24.0, 672.0, 16, 16.3)),
    kind("titan-rtx", &["TITAN", "RTX"], (24.0, 672.0, 16, 16.3)),
    // GeForce: NVIDIA's architecture papers of Blackwell (RTX), Ada and Ampere (GA102), and Turing.
    kind("rtx-5090", &["RTX", "5090"], (32.0, 1792.0, 16, 104.8)),
    kind("rtx-5080", &["RTX", "5080"], (16.0, 960.0, 16, 56.3)),
    kind("rtx-4090", &["RTX", "4090"], (24.0, 1008.0, 16, 82.6)),
    kind("rtx-4080", &["RTX", "4080"], (16.0, 716.8, 16, 48.7)),
    kind("rtx-3090", &["RTX", "3090", "TI"], (24.0, 1008.0, 16, 40.0)),
    kind("rtx-3090", &["RTX", "3090"], (24.0, 936.0, 16, 35.6)),
    kind("rtx-3080-10gb", &["RTX", "3080"], (10.0, 760.0, 16, 29.8)),
    kind("rtx-3060-12gb", &["RTX", "3060"], (12.0, 360.0, 16, 12.7)),
    kind("rtx-2080-ti", &["RTX", "2080", "TI"], (11.0, 616.0, 16, 13.4)),
];

/// Words that only say which form of a kind it is; a cluster's labels leave them out.
const FORMS: [&str; 3] = ["PCIE", "HBM3", "SXM4"];

/// The kind of a device; none where it is not in the table, or where it is an instance of a card (MIG), which has a part of
/// everything.
pub fn of(device: &GpuDevice) -> Option<&'static Kind> {
    if device.uuid.starts_with("MIG-") {
        return None;
    }
    let memory = gigabytes(device.memory_bytes);
    let rows = rows(&device.name, Some(memory), &|kind| kind.words.to_vec());
    // Forms of one name are told apart by their memory first, else by their order.
    let distance = |kind: &Kind| ((memory - kind.memory_gb).abs() * 1e3) as u64;
    rows.into_iter().min_by_key(|kind| distance(kind))
}

/// Kinds that a label of a cluster may name: a driver's name with other marks between its words, perhaps without the words of its
/// form, and perhaps without the memory, which leaves all sizes open.
fn of_product(product: &str, memory_bytes: Option<u64>) -> Vec<&'static Kind> {
    let memory = memory_bytes.map(gigabytes).or_else(|| said(product));
    rows(product, memory, &|kind| kind.words.iter().filter(|word| !FORMS.contains(word)).copied().collect())
}

/// Whether a cluster's label names a kind that an input means, in every size that it may have.
pub fn product_is(product: &str, memory_bytes: Option<u64>, input: &str) -> bool {
    let kinds = of_product(product, memory_bytes);
    !kinds.is_empty() && kinds.iter().all(|kind| means(input, kind))
}

/// The memory of a product in GB that a need is held against; none where neither a label, nor its name, nor its kind says it.
pub fn product_memory_gb(product: &str, memory_bytes: Option<u64>) -> Option<f64> {
    let sold = of_product(product, memory_bytes).iter().map(|kind| kind.memory_gb).min_by(f64::total_cmp);
    shown_or_sold(memory_bytes.map(gigabytes).or_else(|| said(product)), sold)
}

/// The memory of a device in GB that a need is held against: what a driver shows, or what its kind is sold with where that is more.
pub fn memory_gb(kind: Option<&Kind>, memory_bytes: u64) -> f64 {
    let shown = gigabytes(memory_bytes);
    shown_or_sold(Some(shown), kind.map(|kind| kind.memory_gb)).unwrap_or(shown)
}

fn shown_or_sold(shown: Option<f64>, sold: Option<f64>) -> Option<f64> {
    shown.into_iter().chain(sold).max_by(f64::total_cmp)
}

fn gigabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
    let bytes = bytes as f64;
    bytes / 1e9
}

fn words_of(name: &str) -> Vec<String> {
    name.to_uppercase().split([' ', '-', '/', '_']).map(str::to_owned).collect()
}

/// The memory that a product's name says.
fn said(product: &str) -> Option<f64> {
    let number = |word: &String| word.strip_suffix("GB")?.parse::<u32>().ok().map(f64::from);
    words_of(product).iter().find_map(number)
}

/// The rows of the most words that are all in a name, and whose memory is near where it is known.
fn rows(name: &str, memory: Option<f64>, wanted: &dyn Fn(&Kind) -> Vec<&'static str>) -> Vec<&'static Kind> {
    let words = words_of(name);
    let has = |word: &str| words.iter().any(|own| own == word);
    // Parts of laptops have a desktop card's name and less of everything.
    if has("LAPTOP") || has("MAX") {
        return Vec::new();
    }
    let is_near =
        |kind: &Kind| memory.is_none_or(|memory| (memory - kind.memory_gb).abs() <= kind.memory_gb * MEMORY_TOLERANCE);
    let fits: Vec<&Kind> =
        KINDS.iter().filter(|kind| wanted(kind).iter().all(|word| has(word)) && is_near(kind)).collect();
    let most = fits.iter().map(|kind| wanted(kind).len()).max();
    fits.into_iter().filter(|kind| Some(wanted(kind).len()) == most).collect()
}

/// A kind's name without its size: `h100` of `h100-80gb` and `h100-nvl`.
fn family(name: &str) -> &str {
    let is_size = |last: &str| {
        last == "nvl" || last.strip_suffix("gb").is_some_and(|size| size.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match name.rsplit_once('-') {
        Some((family, last)) if is_size(last) => family,
        Some(_) | None => name,
    }
}

/// Whether an input means this kind: it names the kind, its family where no kind has that name, or family and size.
pub fn means(input: &str, kind: &Kind) -> bool {
    let Kind { name, memory_gb, .. } = kind;
    let family = family(name);
    *name == input
        || (family == input && !KINDS.iter().any(|other| other.name == input))
        || format!("{family}-{memory_gb}gb") == input
}

/// Whether an input means any kind.
pub fn is_known(input: &str) -> bool {
    KINDS.iter().any(|kind| means(input, kind))
}

/// The names of all kinds, each once, in the table's order.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    names.dedup();
    names
}

/// The table for the reference.
pub fn table() -> String {
    let mut text =
        String::from("| kind | memory | published bandwidth | PCIe | published float32 |\n|---|---:|---:|---:|---:|\n");
    for kind in KINDS {
        let lanes = kind.pcie_width.map_or_else(|| "-".to_owned(), |lanes| format!("x{lanes}"));
        let Kind { name, memory_gb, bandwidth_gbs, float_tflops, .. } = kind;
        let form = kind.words.join(" ");
        text.push_str(&format!(
            "| `{name}` ({form}) | {memory_gb} GB | {bandwidth_gbs} GB/s | {lanes} | {float_tflops} TFLOPS |\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as drivers show them, with their figures for the memory in MiB, and the kind.
    const SEEN: &[(&str, u64, Option<&str>)] = &[
        ("NVIDIA H100 80GB HBM3", 81_559, Some("h100-80gb")),
        ("NVIDIA H100 PCIe", 81_559, Some("h100-80gb")),
        ("NVIDIA H100 NVL", 95_830, Some("h100-nvl")),
        ("NVIDIA H200", 143_771, Some("h200")),
        ("NVIDIA H200 NVL", 143_771, Some("h200-nvl")),
        ("NVIDIA GH200 480GB", 97_871, Some("gh200")),
        ("NVIDIA B200", 183_359, Some("b200")),
        ("NVIDIA B300 SXM6 AC", 275_040, Some("b300")),
        ("NVIDIA H800", 81_559, Some("h800-80gb")),
        ("NVIDIA H20", 97_871, Some("h20")),
        ("NVIDIA A800-SXM4-80GB", 81_920, Some("a800-80gb")),
        ("NVIDIA RTX 4000 Ada Generation", 20_475, Some("rtx-4000-ada")),
        ("NVIDIA RTX 4000 SFF Ada Generation", 20_475, Some("rtx-4000-sff-ada")),
        ("NVIDIA A100-SXM4-40GB", 40_960, Some("a100-40gb")),
        ("NVIDIA A100-PCIE-40GB", 40_960, Some("a100-40gb")),
        ("NVIDIA A100-SXM4-80GB", 81_920, Some("a100-80gb")),
        ("NVIDIA A100 80GB PCIe", 81_920, Some("a100-80gb")),
        ("A100-SXM4-40GB", 40_536, Some("a100-40gb")),
        ("Tesla V100-SXM2-16GB", 16_160, Some("v100-16gb")),
        ("Tesla V100-SXM2-32GB", 32_510, Some("v100-32gb")),
        ("Tesla V100S-PCIE-32GB", 32_510, Some("v100-32gb")),
        ("Tesla T4", 14_917, Some("t4-16gb")),
        ("Tesla T4", 15_360, Some("t4-16gb")),
        ("NVIDIA L4", 23_034, Some("l4")),
        ("NVIDIA L40S", 46_068, Some("l40s")),
        ("NVIDIA L40", 46_068, Some("l40")),
        ("NVIDIA A10", 23_028, Some("a10")),
        ("NVIDIA A10G", 22_731, Some("a10g")),
        ("NVIDIA RTX A6000", 49_140, Some("rtx-a6000")),
        ("NVIDIA RTX 6000 Ada Generation", 49_140, Some("rtx-6000-ada")),
        ("NVIDIA GeForce RTX 3090", 24_576, Some("rtx-3090")),
        ("NVIDIA GeForce RTX 3090 Ti", 24_564, Some("rtx-3090")),
        ("NVIDIA GeForce RTX 4090", 24_564, Some("rtx-4090")),
        ("NVIDIA GeForce RTX 5090", 32_607, Some("rtx-5090")),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16_376, None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4_864, None),
        ("NVIDIA Something New", 81_559, None),
    ];

    fn device(name: &str, mib: u64) -> GpuDevice {
        GpuDevice {
            index: 0,
            name: name.to_owned(),
            uuid: "GPU-0".to_owned(),
            memory_bytes: mib << 20,
            capability: None,
            monitor: None,
        }
    }

    #[test]
    fn drivers_names_are_known_by_name_and_memory() {
        for (name, mib, wanted) in SEEN {
            assert_eq!(of(&device(name, *mib)).map(|kind| kind.name), *wanted, "{name}");
        }
        let ti = of(&device("NVIDIA GeForce RTX 3090 Ti", 24_564)).unwrap();
        assert_eq!(ti.bandwidth_gbs, 1008.0);
        let (sxm, pcie) = (device("NVIDIA H100 80GB HBM3", 81_559), device("NVIDIA H100 PCIe", 81_559));
        assert_eq!((of(&sxm).unwrap().bandwidth_gbs, of(&pcie).unwrap().bandwidth_gbs), (3350.0, 2000.0));
        let forms = ["NVIDIA H800", "NVIDIA H800 PCIe"].map(|name| of(&device(name, 81_559)).unwrap().bandwidth_gbs);
        assert_eq!(forms, [3350.0, 2000.0]);
        assert_eq!(of(&device("NVIDIA RTX 4000 SFF Ada Generation", 20_475)).unwrap().bandwidth_gbs, 280.0);
        let large = of(&device("NVIDIA A100-SXM4-80GB", 81_920)).unwrap();
        assert_eq!(large.bandwidth_gbs, 2039.0);
    }

    #[test]
    fn a_family_without_a_kind_of_its_name_means_all_of_its_kinds() {
        let meant = |input: &str| {
            let mut names: Vec<&str> = KINDS.iter().filter(|kind| means(input, kind)).map(|kind| kind.name).collect();
            names.dedup();
            names
        };
        assert_eq!(meant("h100"), ["h100-nvl", "h100-80gb"]);
        assert_eq!(meant("a100"), ["a100-80gb", "a100-40gb"]);
        assert_eq!((meant("t4"), meant("v100").len()), (vec!["t4-16gb"], 2));
        assert_eq!((meant("h200"), meant("h200-nvl")), (vec!["h200"], vec!["h200-nvl"]));
        assert_eq!((meant("l4-24gb"), meant("h200-141gb")), (vec!["l4"], vec!["h200-nvl", "h200"]));
        assert_eq!(meant("rtx-3080"), ["rtx-3080-10gb"]);
        for unknown in ["rtx", "h10", "", "h100-", "a100-80", "80gb", "h100-40gb"] {
            assert!(!is_known(unknown), "{unknown}");
        }
        assert!(names().into_iter().all(is_known));
    }

    /// Labels of GPU feature discovery, GKE and Karpenter, with a label's memory in MiB.
    #[test]
    fn products_as_clusters_name_them_are_the_kinds_that_users_mean() {
        for (input, product, mib, is) in [
            ("a100-80gb", "NVIDIA-A100-SXM4-80GB", Some(81_920), true),
            ("a100-40gb", "NVIDIA-A100-SXM4-80GB", Some(81_920), false),
            ("a100-40gb", "NVIDIA-A100-SXM4-40GB", Some(40_537), true),
            ("a100", "NVIDIA-A100-PCIE-40GB", Some(40_960), true),
            ("a100-80gb", "NVIDIA-A100-80GB-PCIe", Some(81_251), true),
            ("a100", "NVIDIA-A100-SXM4", None, true),
            ("a100-80gb", "NVIDIA-A100-SXM4", None, false),
            ("a100-80gb", "nvidia-a100-80gb", None, true),
            ("h100-80gb", "NVIDIA-H100-80GB-HBM3", Some(81_559), true),
            ("h100-80gb", "NVIDIA-H100-PCIe", Some(81_559), true),
            ("h100-80gb", "NVIDIA-H100-NVL", Some(95_830), false),
            ("h100-nvl", "NVIDIA-H100-NVL", Some(95_830), true),
            ("h100", "NVIDIA-H100-NVL", Some(95_830), true),
            ("h100-80gb", "nvidia-h100-80gb", None, true),
            ("h100-80gb", "nvidia-h100-mega-80gb", None, true),
            ("h200", "NVIDIA-H200", Some(143_771), true),
            ("h100", "NVIDIA-H200", Some(143_771), false),
            ("h200", "nvidia-h200-141gb", None, true),
            ("v100-32gb", "Tesla-V100-SXM2-32GB", Some(32_768), true),
            ("v100-32gb", "nvidia-tesla-v100", None, false),
            ("t4-16gb", "Tesla-T4", Some(15_360), true),
            ("t4", "nvidia-tesla-t4", None, true),
            ("l4", "NVIDIA-L40S", Some(46_068), false),
            ("l40s", "NVIDIA-L40S", Some(46_068), true),
            ("l4-24gb", "l4", Some(22_888), true),
            ("a10", "NVIDIA-A10G", Some(23_028), false),
            ("rtx-4090", "NVIDIA-GeForce-RTX-4090", Some(24_564), true),
            ("rtx-6000-ada", "NVIDIA-RTX-6000-Ada-Generation", Some(49_140), true),
            ("h100", "NVIDIA-Something-New", Some(81_559), false),
        ] {
            let bytes = mib.map(|mib: u64| mib << 20);
            assert_eq!(product_is(product, bytes, input), is, "{input} {product}");
        }
    }

    #[test]
    fn a_product_has_the_memory_that_it_shows_or_is_sold_with_and_the_least_of_several_sizes() {
        let gb = |product: &str, mib: Option<u64>| product_memory_gb(product, mib.map(|mib| mib << 20));
        // A T4 of 16 GB that shows 15.6 GB, in a cluster as on a machine.
        assert_eq!(gb("Tesla-T4", Some(14_917)), Some(16.0));
        assert_eq!(memory_gb(of(&device("Tesla T4", 14_917)), 14_917 << 20), 16.0);
        assert_eq!(gb("NVIDIA-A100-SXM4", None), Some(40.0));
        assert_eq!((gb("nvidia-a100-80gb", None), gb("NVIDIA-New-48GB", None)), (Some(80.0), Some(48.0)));
        assert!(gb("NVIDIA-H100-80GB-HBM3", Some(81_559)).is_some_and(|gb| gb > 85.0));
        assert_eq!(gb("NVIDIA-New", None), None);
    }

    #[test]
    fn an_instance_of_a_card_has_no_kind() {
        let whole = device("NVIDIA H100 80GB HBM3", 81_559);
        let instance = GpuDevice { uuid: "MIG-0".to_owned(), ..whole.clone() };
        assert!(of(&whole).is_some() && of(&instance).is_none());
    }
}
