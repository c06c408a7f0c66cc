# Builds the demo and tests the library: `make docker-test`, or docker build .
# On Alpine Linux: --build-arg GO_IMAGE=golang:1.26-alpine --build-arg BASE_IMAGE=alpine
# For arm64, where the machine emulates it: --platform linux/arm64
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM $GO_IMAGE AS build
WORKDIR /src
# Alpine's image has no C compiler.
RUN ! command -v apk || apk add --no-cache bash make gcc g++ musl-dev
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The short tests are part of the build: an image that exists has passed them.
RUN make test TESTFLAGS=-short
RUN go build -buildvcs=false -o /greenlet ./cmd/greenlet

# What remains is one program that needs the C library.
FROM $BASE_IMAGE
COPY --from=build /greenlet /usr/local/bin/
CMD ["greenlet", "demo"]
