//! The names themselves. Each was read in its project's source, at the commit that stands above it.
//!
//! Several selectors of one metric are spellings of it: the first that has data counts. Two reasons make them: a name that
//! changed between versions, and labels that Prometheus renames to `exported_…` when the target has labels of the same name.

use super::super::super::plan::Preset;

/// How series become a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum How {
    /// The largest: the fullest pod or GPU.
    Max,
    /// What a counter gained in a second over the window.
    PerSecond,
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Known {
    /// Selectors of two counters.
    Rate {
        /// Of those that went wrong. It may have no series before the first one.
        bad: &'static [&'static str],
        /// Of all.
        all: &'static [&'static str],
    },
    /// Selectors of a histogram's buckets.
    Histogram(&'static [&'static str]),
    /// Selectors of a gauge, or of a counter.
    Level {
        /// What becomes of the series.
        how: How,
        /// Selectors.
        of: &'static [&'static str],
    },
}

type Table = &'static [(&'static str, Known)];

/// What a preset knows, by the name of a rule.
pub(super) fn of(preset: Preset) -> Table {
    match preset {
        Preset::Istio => ISTIO,
        Preset::IngressNginx => INGRESS_NGINX,
        Preset::Vllm => VLLM,
        Preset::Tgi => TGI,
        Preset::Sglang => SGLANG,
        Preset::Dcgm => DCGM,
    }
}

/// Source: istio/istio.io, content/en/docs/reference/config/metrics/index.md at 0d3a9e890c55.
///
/// `reporter="source"`: the weights of a VirtualService are applied by the caller's proxy, so it sees every request that is
/// split, and also those that never reach a pod (503 of a connection that failed), which no destination can report.
const ISTIO: Table = &[
    (
        "error_rate",
        Known::Rate {
            bad: &[
                r#"istio_requests_total{reporter="source",destination_workload="{workload}",destination_workload_namespace="{namespace}",response_code=~"5.."}"#,
            ],
            all: &[
                r#"istio_requests_total{reporter="source",destination_workload="{workload}",destination_workload_namespace="{namespace}"}"#,
            ],
        },
    ),
    // Milliseconds.
    (
        "latency",
        Known::Histogram(&[
            r#"istio_request_duration_milliseconds_bucket{reporter="source",destination_workload="{workload}",destination_workload_namespace="{namespace}"}"#,
        ]),
    ),
];

/// Source: kubernetes/ingress-nginx at 038b023dd00c: internal/ingress/metric/collectors/socket.go (names and labels),
/// rootfs/etc/nginx/lua/monitor.lua and balancer.lua (`canary` is the upstream's name of the canary, or empty; `ingress` and
/// `service` stay those of the main Ingress), internal/ingress/controller/util.go at 019cd07abf03 (an
/// upstream is `NAMESPACE-SERVICE-PORT`, in that version with `-canary` or `-noncanary` behind it).
///
/// `%upstream%` stands for the side's value of `canary`.
const INGRESS_NGINX: Table = &[
    (
        "error_rate",
        Known::Rate {
            bad: &[
                r#"nginx_ingress_controller_requests{namespace="{namespace}",service="{service}",canary=~"%upstream%",status=~"5.."}"#,
                r#"nginx_ingress_controller_requests{exported_namespace="{namespace}",exported_service="{service}",canary=~"%upstream%",status=~"5.."}"#,
            ],
            all: &[
                r#"nginx_ingress_controller_requests{namespace="{namespace}",service="{service}",canary=~"%upstream%"}"#,
                r#"nginx_ingress_controller_requests{exported_namespace="{namespace}",exported_service="{service}",canary=~"%upstream%"}"#,
            ],
        },
    ),
    // Seconds, although the help text of the metric says milliseconds: nginx' `$request_time` is observed as it is.
    (
        "latency",
        Known::Histogram(&[
            r#"nginx_ingress_controller_request_duration_seconds_bucket{namespace="{namespace}",service="{service}",canary=~"%upstream%"}"#,
            r#"nginx_ingress_controller_request_duration_seconds_bucket{exported_namespace="{namespace}",exported_service="{service}",canary=~"%upstream%"}"#,
        ]),
    ),
];

/// Source: vllm-project/vllm, vllm/v1/metrics/loggers.py at 005a810bc40f and a6f0308cfe80 (`gpu_cache_usage_perc` and
/// `time_per_output_token_seconds`, before `kv_cache_usage_perc` and `inter_token_latency_seconds` came). Requests that fail
/// or are cut off are counted nowhere, so there is no error rate.
const VLLM: Table = &[
    (
        "latency",
        Known::Histogram(&[r#"vllm:e2e_request_latency_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#]),
    ),
    ("ttft", Known::Histogram(&[r#"vllm:time_to_first_token_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#])),
    (
        "inter_token_latency",
        Known::Histogram(&[
            r#"vllm:inter_token_latency_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#,
            r#"vllm:time_per_output_token_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#,
        ]),
    ),
    (
        "throughput",
        Known::Level {
            how: How::PerSecond,
            of: &[r#"vllm:generation_tokens_total{namespace="{namespace}",pod=~"{pods}"}"#],
        },
    ),
    (
        "queue",
        Known::Level { how: How::Max, of: &[r#"vllm:num_requests_waiting{namespace="{namespace}",pod=~"{pods}"}"#] },
    ),
    // 0 to 1, in spite of its name.
    (
        "cache",
        Known::Level {
            how: How::Max,
            of: &[
                r#"vllm:kv_cache_usage_perc{namespace="{namespace}",pod=~"{pods}"}"#,
                r#"vllm:gpu_cache_usage_perc{namespace="{namespace}",pod=~"{pods}"}"#,
            ],
        },
    ),
];

/// Source: huggingface/text-generation-inference: docs/source/reference/metrics.md at 53fdbe617d4f, and
/// router/src/infer/mod.rs at 058162685f05 (`tgi_request_failure` and its `err`); router/src/server.rs gives whatever ends with
/// `duration` buckets. Counters have no `_total`, and there is no
/// time to first token. What the caller did wrong (`validation`, `template`) or broke off (`dropped`) is no error of the server.
const TGI: Table = &[
    (
        "error_rate",
        Known::Rate {
            bad: &[r#"tgi_request_failure{namespace="{namespace}",pod=~"{pods}",err!~"validation|template|dropped"}"#],
            all: &[r#"tgi_request_count{namespace="{namespace}",pod=~"{pods}"}"#],
        },
    ),
    ("latency", Known::Histogram(&[r#"tgi_request_duration_bucket{namespace="{namespace}",pod=~"{pods}"}"#])),
    (
        "inter_token_latency",
        Known::Histogram(&[
            r#"tgi_request_mean_time_per_token_duration_bucket{namespace="{namespace}",pod=~"{pods}"}"#,
        ]),
    ),
    (
        "throughput",
        Known::Level {
            how: How::PerSecond,
            of: &[r#"tgi_request_generated_tokens_sum{namespace="{namespace}",pod=~"{pods}"}"#],
        },
    ),
    ("queue", Known::Level { how: How::Max, of: &[r#"tgi_queue_size{namespace="{namespace}",pod=~"{pods}"}"#] }),
];

/// Source: sgl-project/sglang, python/sglang/srt/observability/metrics_collector.py at 44cedc2b9c7d. Its only count of failures
/// is `num_aborted_requests_total`, and most of those are callers that went away: there is no error rate.
const SGLANG: Table = &[
    (
        "latency",
        Known::Histogram(&[r#"sglang:e2e_request_latency_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#]),
    ),
    (
        "ttft",
        Known::Histogram(&[r#"sglang:time_to_first_token_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#]),
    ),
    (
        "inter_token_latency",
        Known::Histogram(&[r#"sglang:inter_token_latency_seconds_bucket{namespace="{namespace}",pod=~"{pods}"}"#]),
    ),
    (
        "throughput",
        Known::Level {
            how: How::PerSecond,
            of: &[r#"sglang:generation_tokens_total{namespace="{namespace}",pod=~"{pods}"}"#],
        },
    ),
    ("queue", Known::Level { how: How::Max, of: &[r#"sglang:num_queue_reqs{namespace="{namespace}",pod=~"{pods}"}"#] }),
    // 0 to 1.
    ("cache", Known::Level { how: How::Max, of: &[r#"sglang:token_usage{namespace="{namespace}",pod=~"{pods}"}"#] }),
];

/// Source: NVIDIA/dcgm-exporter, etc/default-counters.csv at 00d6d344ea4a: frame buffer in MiB, utilisation in percent. The
/// exporter names the pod that holds the GPU where it is told to ask the kubelet.
const DCGM: Table = &[
    (
        "gpu_memory",
        Known::Level {
            how: How::Max,
            of: &[
                r#"DCGM_FI_DEV_FB_USED{namespace="{namespace}",pod=~"{pods}"}"#,
                r#"DCGM_FI_DEV_FB_USED{exported_namespace="{namespace}",exported_pod=~"{pods}"}"#,
            ],
        },
    ),
    (
        "gpu_utilisation",
        Known::Level {
            how: How::Max,
            of: &[
                r#"DCGM_FI_DEV_GPU_UTIL{namespace="{namespace}",pod=~"{pods}"}"#,
                r#"DCGM_FI_DEV_GPU_UTIL{exported_namespace="{namespace}",exported_pod=~"{pods}"}"#,
            ],
        },
    ),
];
