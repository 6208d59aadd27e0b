package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// maxRESTClients bounds the group versions whose client an identity keeps.
const maxRESTClients = 512

// Identity is one user of a cluster with its clients. It is safe for concurrent use.
type Identity struct {
	cluster  *Cluster
	user     string
	config   *rest.Config
	http     *http.Client
	kube     kubernetes.Interface
	dynamic  dynamic.Interface
	metadata metadata.Interface

	mu   sync.Mutex
	rest map[schema.GroupVersion]rest.Interface
}

func newIdentity(c *Cluster, user string) (*Identity, error) {
	config := rest.CopyConfig(c.config)
	config.Transport = c.transportFor(user)
	i := &Identity{cluster: c, user: user, config: config, rest: map[schema.GroupVersion]rest.Interface{}}
	i.http = &http.Client{Transport: config.Transport, Timeout: config.Timeout}
	typed := rest.CopyConfig(config)
	typed.ContentType = runtime.ContentTypeProtobuf
	typed.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	var err error
	if i.kube, err = kubernetes.NewForConfigAndClient(typed, i.http); err != nil {
		return nil, i.failed(err)
	}
	if i.dynamic, err = dynamic.NewForConfigAndClient(config, i.http); err != nil {
		return nil, i.failed(err)
	}
	if i.metadata, err = metadata.NewForConfigAndClient(config, i.http); err != nil {
		return nil, i.failed(err)
	}

	return i, nil
}

func (i *Identity) failed(err error) error {
	if i.user == "" {
		return fmt.Errorf("setting up clients for %s: %w", i.config.Host, err)
	}
	return fmt.Errorf("setting up clients for %s as %s: %w", i.config.Host, i.user, err)
}

// User returns the name that is impersonated, empty for the controller itself.
func (i *Identity) User() string { return i.user }

// Cluster returns the cluster of the identity.
func (i *Identity) Cluster() *Cluster { return i.cluster }

// Kube returns the typed client, which speaks protobuf.
func (i *Identity) Kube() kubernetes.Interface { return i.kube }

// Dynamic returns the client of unstructured objects.
func (i *Identity) Dynamic() dynamic.Interface { return i.dynamic }

// Metadata returns the client that reads no more than metadata.
func (i *Identity) Metadata() metadata.Interface { return i.metadata }

// REST returns the client of one group version for unstructured objects, as Helm's resources use it.
func (i *Identity) REST(gv schema.GroupVersion) (rest.Interface, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.rest[gv]; ok {
		return known, nil
	}

	config := rest.CopyConfig(i.config)
	config.ContentConfig = resource.UnstructuredPlusDefaultContentConfig()
	config.GroupVersion = &gv
	config.APIPath = "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}

	client, err := rest.RESTClientForConfigAndClient(config, i.http)
	if err != nil {
		return nil, i.failed(err)
	}
	if len(i.rest) < maxRESTClients {
		i.rest[gv] = client
	}

	return client, nil
}

// Getter returns what Helm wants to know of the cluster, for an action in one namespace. Discovery is answered from
// what the cluster shares. The configuration it hands out holds no credentials, but a transport that adds them, so
// lookups in templates have the rights of the identity.
func (i *Identity) Getter(namespace string) genericclioptions.RESTClientGetter {
	return &getter{identity: i, namespace: namespace}
}

// impersonator has requests done in the name of another user.
type impersonator struct {
	user string
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. What a request says by itself of whom to impersonate is dropped.
func (r impersonator) RoundTrip(request *http.Request) (*http.Response, error) {
	request = utilnet.CloneRequest(request)
	for name := range request.Header {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "Impersonate-") {
			request.Header.Del(name)
		}
	}
	request.Header.Set(transport.ImpersonateUserHeader, r.user)
	return r.next.RoundTrip(request)
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (r impersonator) WrappedRoundTripper() http.RoundTripper { return r.next }
