// The real pomerium-cli, as the Go proxy has it; some of what it names is not there, and what takes its
// place has no part in tunnels (messages of its control connection).
module usher-e2e/pomerium-cli

go 1.26.7

require github.com/pomerium/cli v0.33.1

require (
	charm.land/bubbles/v2 v2.2.1 // indirect
	charm.land/bubbletea/v2 v2.1.1 // indirect
	charm.land/lipgloss/v2 v2.1.0 // indirect
	golang.org/x/term v0.48.0 // indirect
)

replace github.com/pomerium/pomerium => github.com/pomerium/pomerium v0.32.5

replace github.com/pomerium/pomerium/pkg/grpc/config => ./absent/config

replace github.com/pomerium/pomerium/pkg/grpc/databroker => ./absent/databroker
