package rendering

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"io"
	"net/http"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/client-go/rest"

	helmchart "fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// kept is how many charts a child keeps parsed: with one it would ask for a chart again whenever two are rendered in
// turn.
const kept = 4

// keeper keeps the charts of the last tasks.
type keeper struct {
	recent *list.List // of *keptChart, newest first
}

type keptChart struct {
	digest string
	chart  *chart.Chart
}

func newKeeper() *keeper { return &keeper{recent: list.New()} }

// chart returns a copy of a chart, which the host sends unless it is here.
func (k *keeper) chart(ctx context.Context, digest string, host worker.Host) (*chart.Chart, error) {
	for element := k.recent.Front(); element != nil && digest != ""; element = element.Next() {
		if has := element.Value.(*keptChart); has.digest == digest { //nolint:forcetypeassert // nothing else is put there
			k.recent.MoveToFront(element)
			return helmchart.Copy(has.chart)
		}
	}

	asked, err := encode(question{})
	if err != nil {
		return nil, err
	}

	data, err := host(ctx, asked)
	if err != nil {
		return nil, err
	}

	var wire wireChart
	if err := decode(data, &wire); err != nil {
		return nil, err
	}

	got, err := wire.chart()
	if err != nil || digest == "" {
		return got, err
	}

	k.recent.PushFront(&keptChart{digest: digest, chart: got})
	for k.recent.Len() > kept {
		k.recent.Remove(k.recent.Back())
	}

	return helmchart.Copy(got)
}

// lookupConfig has the requests of the template function lookup made by the host.
func lookupConfig(ctx context.Context, host worker.Host) *rest.Config {
	return &rest.Config{Host: "http://lookup", QPS: -1, Transport: lookupTransport{ctx: ctx, host: host}}
}

type lookupTransport struct {
	ctx  context.Context //nolint:containedctx // Helm gives its requests none
	host worker.Host
}

// RoundTrip implements http.RoundTripper.
func (t lookupTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if t.host == nil || request.Method != http.MethodGet {
		return nil, errNoHost
	}

	asked, err := encode(question{Path: request.URL.RequestURI(), Accept: request.Header.Get("Accept")})
	if err != nil {
		return nil, err
	}

	data, err := t.host(t.ctx, asked)
	if err != nil {
		return nil, err
	}

	var got answer
	if err := decode(data, &got); err != nil {
		return nil, err
	}

	return &http.Response{
		StatusCode: got.Code, Status: fmt.Sprintf("%d %s", got.Code, http.StatusText(got.Code)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {got.Type}},
		Body: io.NopCloser(bytes.NewReader(got.Body)), ContentLength: int64(len(got.Body)), Request: request,
	}, nil
}
