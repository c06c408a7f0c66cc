# Builds the demo and tests the library: `make docker-test`, or docker build .
# On Alpine Linux: --build-arg GO_IMAGE=golang:1.26-alpine --build-arg BASE_IMAGE=alpine
# For another CPU: --platform linux/arm64. It is compiled by a cross compiler and tested under
# QEMU's user mode, so that the build needs no emulation by the machine, and Debian's image.
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM --platform=$BUILDPLATFORM $GO_IMAGE AS build
ARG BUILDARCH
ARG TARGETARCH
WORKDIR /src
# Alpine's image has no C compiler.
RUN ! command -v apk || apk add --no-cache bash make gcc g++ musl-dev
COPY scripts/need scripts/
RUN [ "$TARGETARCH" = "$BUILDARCH" ] || scripts/need "$TARGETARCH"
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The short tests are part of the build: an image that exists has passed them.
ARG PACKAGES=./...
RUN if [ "$TARGETARCH" = "$BUILDARCH" ]; then make test TESTFLAGS=-short PACKAGES="$PACKAGES"; \
    else make "test-$TARGETARCH" PACKAGES="$PACKAGES"; fi
RUN make build ARCH="${TARGETARCH#"$BUILDARCH"}"

# What remains is one program that needs the C library. (The platform is this one without being
# named, but to Buildah 1.28, which would take that of the stage before.)
FROM --platform=$TARGETPLATFORM $BASE_IMAGE
COPY --from=build /src/build/greenlet /usr/local/bin/
CMD ["greenlet", "demo"]
