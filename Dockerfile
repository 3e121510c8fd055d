# One image, one multi-call binary under all program names, on nothing but the C library, the roots of TLS, git and a shell for
# GitLab's runner (scripts/image-root).
#
#   docker build .                                                   from source; this is what the actions of a checkout do
#   docker build --build-arg PROGRAM=prebuilt --build-arg ROOT=prepared .
#                        from image/llmci and image/root: what the release has built and signed, and what the tests try
#   docker build --target cuda .                                     the embedded engine on CUDA; needs tens of minutes
ARG PROGRAM=compile
ARG ROOT=packages
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG CUDA_VERSION=12.6.3

FROM ${RUST_IMAGE} AS toolchain

FROM toolchain AS compile
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin llmci && install -D target/dist/llmci /program/llmci

FROM scratch AS prebuilt
COPY image/llmci /program/llmci

FROM ${DEBIAN_IMAGE} AS packages
COPY scripts/image-root /usr/local/bin/image-root
RUN apt-get update && image-root /image

FROM scratch AS prepared
COPY image/root/ /image/

# The second tag: the programs as in the first, and beside them llmci-engine, which has CUDA. Its kernels are PTX for one compute
# capability: the driver compiles them for newer cards at the first start, and keeps the result. The project's own tests do not build
# it: it needs nvcc.
FROM nvidia/cuda:${CUDA_VERSION}-devel-ubuntu22.04 AS compile-cuda
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates build-essential
COPY --from=toolchain /usr/local/rustup /usr/local/rustup
COPY --from=toolchain /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/cuda/bin:/usr/bin:/bin
WORKDIR /src
COPY . .
ARG CUDA_COMPUTE_CAP=80
RUN cargo build --locked --profile dist --bin llmci \
  && CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP} CARGO_TARGET_DIR=target/cuda \
    cargo build --locked --profile dist --no-default-features --features cuda --bin llmci-engine

FROM nvidia/cuda:${CUDA_VERSION}-runtime-ubuntu22.04 AS cuda
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates git && rm -rf /var/lib/apt/lists/* \
  && git config --system safe.directory /github/workspace
COPY --from=compile-cuda /src/target/dist/llmci /usr/local/bin/llmci
COPY --from=compile-cuda /src/target/cuda/dist/llmci-engine /usr/local/bin/llmci-engine
RUN for name in eval-gate regression-check safety-gate canary-promote gpu-check canary-promote-post llmci-post; do ln -s llmci "/usr/local/bin/$name"; done
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENTRYPOINT ["/usr/local/bin/llmci"]

FROM ${PROGRAM} AS program
FROM ${ROOT} AS root

# The last stage is the one that is built when none is named.
FROM scratch AS image
COPY --from=root /image/ /
COPY --from=program /program/llmci /usr/local/bin/llmci
ENV PATH=/usr/local/bin:/usr/bin HOME=/root NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.source=https://github.com/org/llmci org.opencontainers.image.licenses=Apache-2.0
ENTRYPOINT ["/usr/local/bin/llmci"]
