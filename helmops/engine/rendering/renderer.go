package rendering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/process/worker"
)

const (
	// maxLookup bounds the answer to a lookup, in bytes.
	maxLookup = 16 << 20
	// lookupTimeout bounds one lookup.
	lookupTimeout = 10 * time.Second
	// lookupsTimeout bounds all lookups of a rendering together: its child is one of a few that all namespaces share.
	lookupsTimeout = 30 * time.Second
	// maxLookups is how many requests the lookups of one rendering may make.
	maxLookups = 1000
)

// Pool runs jobs in child processes.
type Pool interface {
	Run(ctx context.Context, t worker.Task) ([]byte, error)
}

// Render renders a chart in a child of the pool. Lookups are made with config, which has the identity of the release;
// nil refuses them. namespace is the one whose share of the pool is taken. A *worker.LimitError names the template that
// exceeds the bound when it is found, a *SchemaError the values that break a schema.
func Render(
	ctx context.Context, pool Pool, namespace string, request Request, c *chart.Chart, config *rest.Config,
) (Result, error) {
	input, err := request.encode()
	if err != nil {
		return Result{}, err
	}

	h := &host{chart: c, config: config}
	task := worker.Task{Job: JobRender, Namespace: namespace, Input: input, Host: h.answer}
	output, err := pool.Run(ctx, task)
	var limit *worker.LimitError
	switch {
	case errors.As(err, &limit) && limit.Repeats() && limit.File == "":
		return Result{}, located(ctx, pool, task, limit)
	case err != nil:
		return Result{}, schemaErrorOf(err)
	}

	return decodeResult(output)
}

// located looks for the template that exceeds a bound.
func located(ctx context.Context, pool Pool, task worker.Task, found *worker.LimitError) error {
	task.Job = JobLocate
	task.Large = found.Limit != worker.LimitProcessor // that one exceeds in the first try already
	var again *worker.LimitError
	if _, err := pool.Run(ctx, task); errors.As(err, &again) {
		found.File = again.File
	}
	return found
}

// host answers a job.
type host struct {
	chart   *chart.Chart
	config  *rest.Config
	client  *http.Client
	lookups int
	spent   time.Duration
}

func (h *host) answer(ctx context.Context, data []byte) ([]byte, error) {
	var asked question
	if err := decode(data, &asked); err != nil {
		return nil, err
	}

	if asked.Path == "" {
		wire, err := wireOf(h.chart)
		if err != nil {
			return nil, err
		}

		return encode(wire)
	}

	got, err := h.lookup(ctx, asked)
	if err != nil {
		return nil, err
	}

	return encode(got)
}

// lookup makes a request of the template function lookup.
func (h *host) lookup(ctx context.Context, asked question) (answer, error) {
	if h.config == nil {
		return answer{}, errNoHost
	}
	if h.lookups++; h.lookups > maxLookups {
		return answer{}, fmt.Errorf("the templates look up more than %d times", maxLookups)
	}
	if !strings.HasPrefix(asked.Path, "/api/") && !strings.HasPrefix(asked.Path, "/apis/") {
		return answer{}, errNoHost
	}

	if h.client == nil {
		client, err := rest.HTTPClientFor(h.config)
		if err != nil {
			return answer{}, err
		}

		h.client = client
	}

	if h.spent >= lookupsTimeout {
		return answer{}, fmt.Errorf("the API server takes more than %s for what the templates look up", lookupsTimeout)
	}

	ctx, cancel := context.WithTimeout(ctx, min(lookupTimeout, lookupsTimeout-h.spent))
	defer cancel()
	began := time.Now()
	defer func() { h.spent += time.Since(began) }()
	return h.get(ctx, asked)
}

func (h *host) get(ctx context.Context, asked question) (answer, error) {
	base, err := url.Parse(h.config.Host)
	if err != nil {
		return answer{}, errors.New("the address of the API server cannot be read")
	}

	address := base.Scheme + "://" + base.Host + strings.TrimSuffix(base.Path, "/") + asked.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, errors.New("what is looked up has no address")
	}
	if asked.Accept != "" {
		request.Header.Set("Accept", asked.Accept)
	}

	response, err := h.client.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("looking up %s: %w", asked.Path, err)
	}

	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxLookup+1))
	if err != nil {
		return answer{}, fmt.Errorf("looking up %s: %w", asked.Path, err)
	}
	if len(body) > maxLookup {
		return answer{}, fmt.Errorf("looking up %s: the answer is larger than %d MiB", asked.Path, maxLookup>>20)
	}

	return answer{Code: response.StatusCode, Type: response.Header.Get("Content-Type"), Body: body}, nil
}
