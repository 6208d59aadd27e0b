package kubeclient

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"fairlead.dev/fairlead/helmops/kube/cluster"
)

const (
	// outage is how long an API server may be away in the middle of an action before the action fails.
	outage = time.Minute
	// firstAgain and lastAgain bound the pause before a request is made again.
	firstAgain = 250 * time.Millisecond
	lastAgain  = 4 * time.Second
)

// persist makes a request again while the API server does not answer. The request must be safe to repeat.
func (c *Client) persist(request func(context.Context) error) error {
	deadline, cancel := context.WithTimeout(c.ctx, outage)
	defer cancel()
	pauses := wait.Backoff{Duration: firstAgain, Factor: 2, Cap: lastAgain, Steps: math.MaxInt}
	for {
		err := c.attempt(request)
		if !isOutage(err) || deadline.Err() != nil {
			return err
		}

		pause := pauses.Step()
		_ = c.waitReleased(func() error {
			select {
			case <-deadline.Done():
			case <-time.After(pause):
			}
			return nil
		})
	}
}

func (c *Client) attempt(request func(context.Context) error) error {
	ctx, cancel := c.request()
	defer cancel()
	return request(ctx)
}

// isOutage reports whether an error is about the way to the API server, not about the request.
func isOutage(err error) bool {
	if errors.Is(err, cluster.ErrFenced) {
		return false
	}

	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout || code == http.StatusBadGateway ||
			code == http.StatusTooManyRequests
	}

	var network net.Error
	var request *url.Error
	return errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &request) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}
