package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// getter implements genericclioptions.RESTClientGetter.
type getter struct {
	identity  *Identity
	namespace string
}

// ToRESTConfig implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.identity.config)
	base, err := url.Parse(config.Host)
	if err != nil {
		return nil, g.identity.failed(err)
	}
	config.Transport = &discoveryTransport{
		shared: g.identity.cluster.discovery, base: strings.TrimSuffix(base.Path, "/"), next: config.Transport,
	}
	return config, nil
}

// ToDiscoveryClient implements genericclioptions.RESTClientGetter.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	client, err := discovery.NewDiscoveryClientForConfigAndClient(g.identity.config, g.identity.http)
	if err != nil {
		return nil, g.identity.failed(err)
	}
	return &sharedDiscovery{DiscoveryInterface: client, shared: g.identity.cluster.discovery}, nil
}

// ToRESTMapper implements genericclioptions.RESTClientGetter.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.identity.cluster.Mapper(), nil }

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter. Helm asks it for the namespace only.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}

// sharedDiscovery answers from the shared reading; what that does not hold, such as OpenAPI documents, is asked of the
// server.
type sharedDiscovery struct {
	discovery.DiscoveryInterface
	shared *discoverer
}

func (d *sharedDiscovery) get() (*snapshot, error) {
	return d.shared.get(context.Background(), 0) // The interface takes none; readings are bounded by themselves.
}

// ServerGroups implements discovery.ServerGroupsInterface.
func (d *sharedDiscovery) ServerGroups() (*metav1.APIGroupList, error) {
	found, err := d.get()
	if err != nil {
		return nil, err
	}
	list := &metav1.APIGroupList{}
	for _, group := range found.groups {
		list.Groups = append(list.Groups, *group.DeepCopy())
	}
	return list, nil
}

// ServerResourcesForGroupVersion implements discovery.ServerResourcesInterface.
func (d *sharedDiscovery) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	gv, err := schema.ParseGroupVersion(groupVersion)
	if err != nil {
		return nil, err
	}

	found, err := d.get()
	if err != nil {
		return nil, err
	}
	if list := found.resources[gv]; list != nil {
		return list.DeepCopy(), nil
	}
	if err := found.unanswered(gv.Group, gv.Version); err != nil {
		return nil, err
	}

	return nil, apierrors.NewNotFound(schema.GroupResource{Group: gv.Group, Resource: "discovery"}, groupVersion)
}

// ServerGroupsAndResources implements discovery.ServerResourcesInterface.
func (d *sharedDiscovery) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	found, err := d.get()
	if err != nil {
		return nil, nil, err
	}

	groups := make([]*metav1.APIGroup, 0, len(found.groups))
	lists := make([]*metav1.APIResourceList, 0, len(found.resources))
	for _, group := range found.groups {
		groups = append(groups, group.DeepCopy())
		for _, version := range group.Versions {
			if list := found.resources[schema.GroupVersion{Group: group.Name, Version: version.Version}]; list != nil {
				lists = append(lists, list.DeepCopy())
			}
		}
	}

	if len(found.failed) > 0 {
		return groups, lists, &discovery.ErrGroupDiscoveryFailed{Groups: found.failed}
	}

	return groups, lists, nil
}

// ServerPreferredResources implements discovery.ServerResourcesInterface.
func (d *sharedDiscovery) ServerPreferredResources() ([]*metav1.APIResourceList, error) {
	return discovery.ServerPreferredResources(d)
}

// ServerPreferredNamespacedResources implements discovery.ServerResourcesInterface.
func (d *sharedDiscovery) ServerPreferredNamespacedResources() ([]*metav1.APIResourceList, error) {
	return discovery.ServerPreferredNamespacedResources(d)
}

// ServerVersion implements discovery.ServerVersionInterface.
func (d *sharedDiscovery) ServerVersion() (*version.Info, error) {
	found, err := d.get()
	if err != nil {
		return nil, err
	}
	return &version.Info{GitVersion: found.version.Version, Major: found.version.Major, Minor: found.version.Minor}, nil
}

// Fresh implements discovery.CachedDiscoveryInterface.
func (d *sharedDiscovery) Fresh() bool { return true }

// Invalidate implements discovery.CachedDiscoveryInterface.
func (d *sharedDiscovery) Invalidate() { d.shared.changed() }

// WithLegacy implements discovery.DiscoveryInterface.
func (d *sharedDiscovery) WithLegacy() discovery.DiscoveryInterface { return d }

// discoveryTransport answers requests for the resources of one group version from the shared reading. Helm's lookup
// makes such a request for each call.
type discoveryTransport struct {
	shared *discoverer
	base   string // path of the API server, without a slash at the end
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *discoveryTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	gv, ok := t.resourcesOf(request)
	if !ok {
		return t.next.RoundTrip(request)
	}

	found, err := t.shared.get(request.Context(), 0)
	if err != nil || found.resources[gv] == nil {
		return t.next.RoundTrip(request)
	}

	list := found.resources[gv].DeepCopy()
	list.Kind = "APIResourceList"
	list.APIVersion = "v1"
	body, err := json.Marshal(list)
	if err != nil {
		return t.next.RoundTrip(request)
	}
	if request.Body != nil {
		_ = request.Body.Close()
	}

	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}, "Content-Length": {strconv.Itoa(len(body))}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}, nil
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (t *discoveryTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

var _ utilnet.RoundTripperWrapper = (*discoveryTransport)(nil)

// resourcesOf returns the group version whose resources a request asks for.
func (t *discoveryTransport) resourcesOf(request *http.Request) (schema.GroupVersion, bool) {
	none := schema.GroupVersion{}
	query := request.URL.Query()
	query.Del("timeout")
	path, below := strings.CutPrefix(request.URL.Path, t.base)
	if request.Method != http.MethodGet || len(query) > 0 || !below {
		return none, false
	}

	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) == 2 && parts[0] == "api":
		return schema.GroupVersion{Version: parts[1]}, true
	case len(parts) == 3 && parts[0] == "apis":
		return schema.GroupVersion{Group: parts[1], Version: parts[2]}, true
	}

	return none, false
}
