# The image of minidns: Debian's Python, the packages of requirements.txt, minidns, and
# nothing that can start a shell.
#
#   docker build -t localhost/minidns:0.1.0 .
#
# deploy/image/build makes the same without a daemon and without a registry: it puts the
# files together with the same script and takes the last stage of this file.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# versions come with the suite, and its security updates are wanted
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends mmdebstrap python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml requirements.txt requirements-dev.txt README.md LICENSE ./
COPY deploy/image/ deploy/image/
COPY minidns/ minidns/
# WHOLE=1 leaves out nothing of what the packages bring
ARG WHOLE=
RUN deploy/image/assemble /image

FROM scratch
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="minidns" \
      org.opencontainers.image.description="A second cluster DNS for Kubernetes that reads CoreDNS's Corefile" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
# a number: the kubelet has to see that it is not root
USER 65532:65532
WORKDIR /
EXPOSE 53/udp 53/tcp 8080/tcp 8181/tcp 9153/tcp
ENTRYPOINT ["/usr/local/bin/minidns"]
