# Builds the demo and tests the library: `make docker-test`, or docker build .
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The short tests are part of the build: an image that exists has passed them.
RUN make test TESTFLAGS=-short
RUN go build -buildvcs=false -o /greenlet ./cmd/greenlet

# What remains is one program that needs the C library.
FROM debian:bookworm-slim
COPY --from=build /greenlet /usr/local/bin/
CMD ["greenlet", "demo"]
