package kubeclient

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/kube/warning"
)

// notePresent notes what is sent of an object of the release, if it is sent.
func (c *Client) notePresent(info *resource.Info, sum uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writtenAs(info).Sum = strconv.FormatUint(sum, 16)
}

// noteWarnings notes what the API server warned of when it took an object; nil when it answered with something else.
// The last write of an object counts. It costs no request.
func (c *Client) noteWarnings(info *resource.Info, headers []utilnet.WarningHeader, answer metav1.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written := c.writtenAs(info)
	written.Sent = true
	written.Texts = warning.Texts(headers, isSecret(info))
	if answer != nil {
		written.Ref.UID = answer.GetUID()
		written.Ref.ResourceVersion = answer.GetResourceVersion()
	}
}

// writtenAs needs the lock.
func (c *Client) writtenAs(info *resource.Info) *warning.Written {
	of := id(info)
	if c.written[of] == nil {
		version, kind := info.Mapping.GroupVersionKind.ToAPIVersionAndKind()
		ref := corev1.ObjectReference{APIVersion: version, Kind: kind, Namespace: info.Namespace, Name: info.Name}
		c.written[of] = &warning.Written{ID: of, Object: warning.Object{Ref: ref}}
	}
	return c.written[of]
}

// Written returns the objects that the action wrote, or found to be as they are to be written, with what the API server
// warned of, sorted. The texts can hold secrets.
func (c *Client) Written() []warning.Written {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]warning.Written, 0, len(c.written))
	for _, written := range c.written {
		out = append(out, *written)
	}
	slices.SortFunc(out, func(a, b warning.Written) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// listening is a client for the writes of one object by Helm's own client. It collects what the API server warns of.
type listening struct {
	rest.Interface

	mu      sync.Mutex
	headers []utilnet.WarningHeader
}

// Post implements rest.Interface.
func (l *listening) Post() *rest.Request { return l.Interface.Post().WarningHandler(l) }

// Put implements rest.Interface.
func (l *listening) Put() *rest.Request { return l.Interface.Put().WarningHandler(l) }

// Patch implements rest.Interface.
func (l *listening) Patch(kind types.PatchType) *rest.Request {
	return l.Interface.Patch(kind).WarningHandler(l)
}

// HandleWarningHeader implements rest.WarningHandler.
func (l *listening) HandleWarningHeader(code int, agent, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.headers = append(l.headers, utilnet.WarningHeader{Code: code, Agent: agent, Text: text})
}

// heard returns what was collected.
func (l *listening) heard() []utilnet.WarningHeader {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.headers
}
