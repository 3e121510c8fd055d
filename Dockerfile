# One image, one multi-call binary under all program names. glibc: a driver's libcuda is opened at run time.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin llmci

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/llmci /usr/local/bin/llmci
RUN for name in eval-gate regression-check; do ln -s llmci "/usr/local/bin/$name"; done
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENTRYPOINT ["/usr/local/bin/llmci"]
