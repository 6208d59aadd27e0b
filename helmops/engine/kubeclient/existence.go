package kubeclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// Annotations by which Helm marks the objects of a release.
const (
	releaseNameAnnotation      = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"
)

// prober is the client of one object. Before Helm creates an object it asks, object by object, whether it is there and
// whose it is. Of what the tracker does not know the answer is that there is none, without a request; the write that
// follows creates and never overwrites. The answer is the same of an object that belongs to no release and may be taken
// over. Objects of other releases it sees, and refuses them.
type prober struct {
	rest.Interface
	client *Client
	info   *resource.Info
}

// Get implements resource.RESTClient.
func (p *prober) Get() *rest.Request {
	config, err := p.client.identity.Getter(p.info.Namespace).ToRESTConfig()
	if err != nil {
		return p.Interface.Get()
	}

	transport, err := rest.TransportFor(config)
	if err != nil {
		return p.Interface.Get()
	}

	version := p.info.Mapping.GroupVersionKind.GroupVersion()
	config = rest.CopyConfig(config)
	config.GroupVersion = &version
	config.APIPath = "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}

	config.NegotiatedSerializer = resource.UnstructuredPlusDefaultContentConfig().NegotiatedSerializer
	asking, err := rest.RESTClientForConfigAndClient(config, &http.Client{Transport: &answer{prober: p, next: transport}})
	if err != nil {
		return p.Interface.Get()
	}

	return asking.Get()
}

// answer is the transport of a prober's question.
type answer struct {
	prober *prober
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *answer) RoundTrip(request *http.Request) (*http.Response, error) {
	c := a.prober.client
	info := a.prober.info
	c.trackParsed()
	if !c.options.KeepForeign && c.absent(info) {
		return notFound(request, info), nil
	}

	response, err := a.next.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK || c.options.KeepForeign && !c.wasKept(info) {
		return response, err
	}

	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}

	live := &unstructured.Unstructured{}
	if live.UnmarshalJSON(body) == nil && ownerOf(live) == (owner{}) {
		return notFound(request, info), nil
	}

	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func notFound(request *http.Request, info *resource.Info) *http.Response {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: http.StatusNotFound,
		Reason: metav1.StatusReasonNotFound, Message: fmt.Sprintf("%s not found", name(info)),
	}
	body, _ := json.Marshal(status) // a struct of strings
	return &http.Response{
		StatusCode: http.StatusNotFound, Status: "404 Not Found", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Request: request,
		Header:  http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// owner is the release that an object belongs to; zero is none.
type owner struct{ name, namespace string }

func ownerOf(live *unstructured.Unstructured) owner {
	annotations := live.GetAnnotations()
	return owner{annotations[releaseNameAnnotation], annotations[releaseNamespaceAnnotation]}
}

func (c *Client) self() owner { return owner{c.options.Release, c.options.Namespace} }

// absent reports whether the tracker is sure that no object of a release has this name.
func (c *Client) absent(info *resource.Info) bool {
	_, there := c.tracker.Get(ref(info))
	return !there && c.tracker.Tracks(info.Mapping.GroupVersionKind)
}

// trackParsed has the tracker follow the kinds of all manifests that were built so far. Hooks carry no label to follow.
func (c *Client) trackParsed() {
	kinds := map[tracker.Kind]bool{}
	for _, objects := range c.parsed {
		for _, o := range objects {
			if _, hook := o.content.GetAnnotations()[release.HookAnnotation]; !hook {
				kinds[kindOf(o.mapping)] = true
			}
		}
	}

	if len(kinds) == c.tracked {
		return
	}

	c.tracked = len(kinds)
	// A kind that must not be watched is asked for object by object; the tracker says so when it is asked.
	_ = c.tracker.Use(c.ctx, c.options.Owner, slices.Collect(maps.Keys(kinds))...)
}

func kindOf(mapping *meta.RESTMapping) tracker.Kind {
	return tracker.Kind{
		GVK: mapping.GroupVersionKind, Resource: mapping.Resource.Resource,
		Namespaced: mapping.Scope.Name() == meta.RESTScopeNameNamespace,
	}
}

func ref(info *resource.Info) tracker.Ref {
	return tracker.Ref{GVK: info.Mapping.GroupVersionKind, Namespace: info.Namespace, Name: info.Name}
}
