package transport

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

// Unreachable returns a failure for an upstream that could not be connected to, such as "registry example.com cannot be
// reached: connection refused", and nil for another error. upstream says what is at host. A host that upstream has
// named itself, such as that of its token service, is named beside it. The error answers errors.Is as err does.
func Unreachable(err error, upstream, host string) *sources.Error {
	cause := dialCause(err)
	if cause == "" {
		return nil
	}

	text := upstream + " cannot be reached"
	var request *url.Error
	if errors.As(err, &request) {
		if asked, parseErr := url.Parse(request.URL); parseErr == nil && !strings.EqualFold(asked.Host, host) {
			text = "host " + asked.Host + ", to which " + upstream + " refers, cannot be reached"
		}
	}

	return sources.Fail(v1beta1.FetchFailedReason, &redacted{text: cause, err: err}, "%s", text)
}

// dialCause says why no connection could be made; empty for errors of another kind.
func dialCause(err error) string {
	var dial *net.OpError
	if errors.Is(err, egress.ErrRefused) || errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &dial) ||
		dial.Op != "dial" {
		return ""
	}

	var name *net.DNSError
	var call *os.SyscallError
	switch {
	case errors.As(dial.Err, &name):
		return name.Err
	case errors.As(dial.Err, &call):
		return call.Err.Error()
	case dial.Timeout():
		return "no answer in time"
	default:
		return ""
	}
}
