package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"fairlead.dev/fairlead/sources/egress"
)

func TestUnreachable(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	get := func(at string, err error) error {
		return fmt.Errorf("x: %w", &url.Error{Op: "Get", URL: at, Err: err})
	}
	refused := dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	for name, tt := range map[string]struct {
		err  error
		want string // empty when it is another failure
	}{
		"nothing listens": {get("https://example.com/v2/?token=hunter2", refused),
			"registry example.com cannot be reached: connection refused"},
		"without a request": {refused, "registry example.com cannot be reached: connection refused"},
		"an unknown name": {
			get("https://example.com/", dial(&net.DNSError{Err: "no such host", Name: "example.com", Server: "10.0.0.10:53"})),
			"registry example.com cannot be reached: no such host"},
		"no route": {get("https://example.com/", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH))),
			"registry example.com cannot be reached: no route to host"},
		"no answer": {get("https://example.com/", dial(os.ErrDeadlineExceeded)),
			"registry example.com cannot be reached: no answer in time"},
		"another host": {get("https://u:hunter2@auth.example.com/token", refused),
			"host auth.example.com, to which registry example.com refers, cannot be reached: connection refused"},
		"an address refused":   {get("https://example.com/", dial(fmt.Errorf("no: %w", egress.ErrRefused))), ""},
		"the poll has no time": {get("https://example.com/", dial(context.DeadlineExceeded)), ""},
		"a proxy":              {get("https://example.com/", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}), ""},
		"a connection breaks": {get("https://example.com/", &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}),
			""},
		"another failure": {errors.New("no luck"), ""},
	} {
		got := Unreachable(tt.err, "registry example.com", "example.com")
		switch {
		case got == nil && tt.want == "":
		case got == nil || got.Error() != tt.want:
			t.Errorf("%s: %v, want %q", name, got, tt.want)
		case !got.Retryable() || !errors.Is(got, errors.Unwrap(tt.err)) && !errors.Is(got, tt.err):
			t.Errorf("%s: retryable %v, the chain is broken", name, got.Retryable())
		}
	}
}
