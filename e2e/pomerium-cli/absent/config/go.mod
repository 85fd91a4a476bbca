// Its package is part of the main module at the version that go.mod takes.
module github.com/pomerium/pomerium/pkg/grpc/config

go 1.25
