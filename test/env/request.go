package env

import (
	"net/http"
	"strings"
	"time"
)

// Verbs of requests to an API server, in the words of its audit log, and one more: Apply is a server-side apply, which
// the audit log calls patch.
const (
	Get              = "get"
	List             = "list"
	Watch            = "watch"
	Create           = "create"
	Update           = "update"
	Patch            = "patch"
	Apply            = "apply"
	Delete           = "delete"
	DeleteCollection = "deletecollection"
)

// Request is what a Proxy knows of a request to the API server.
type Request struct {
	// At is when it arrived at the proxy.
	At time.Time
	// UserAgent is the name of the program, without its version.
	UserAgent string
	// Verb is one of the constants of this package.
	Verb string
	// Group of the resource, empty for the core group.
	Group string
	// Resource in its plural form, or the first element of the path, with its slash, where that is no resource: /version.
	Resource string
	// Subresource, such as status.
	Subresource string
	// Namespace and Name as in the path. The name of what is created is in the body only.
	Namespace, Name string
	// DryRun asks what would be and changes nothing.
	DryRun bool
	// Body of a request that may write, in the client's encoding. It is not to be changed.
	Body []byte
}

// Writes reports whether the request may change something.
func (r Request) Writes() bool {
	switch r.Verb {
	case Get, List, Watch:
		return false
	}
	return !r.DryRun
}

// Key is what requests are counted by.
type Key struct {
	// UserAgent is the name of the program, without its version.
	UserAgent string `json:"userAgent"`
	// Verb of the request.
	Verb string `json:"verb"`
	// Resource, and behind a slash its subresource.
	Resource string `json:"resource"`
}

// Key of the request.
func (r Request) Key() Key {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	return Key{UserAgent: r.UserAgent, Verb: r.Verb, Resource: resource}
}

// Counts of requests.
type Counts map[Key]int

// Sum of the requests that match; of all when match is nil.
func (c Counts) Sum(match func(Key) bool) int {
	sum := 0
	for key, count := range c {
		if match == nil || match(key) {
			sum += count
		}
	}
	return sum
}

// parseRequest returns what a request asks of an API server.
func parseRequest(r *http.Request, body []byte, now time.Time) Request {
	request := Request{At: now, UserAgent: program(r.UserAgent()), DryRun: r.URL.Query().Has("dryRun"), Body: body}
	request.parsePath(r.URL.Path)
	request.Verb = verb(r, request.Name)
	return request
}

// program cuts a user agent such as kubectl/v1.30.0 (linux/amd64) down to its first word.
func program(userAgent string) string {
	if i := strings.IndexAny(userAgent, "/ "); i >= 0 {
		return userAgent[:i]
	}
	return userAgent
}

func (r *Request) parsePath(path string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	r.Resource = "/" + parts[0]
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		r.Group, parts = parts[1], parts[3:]
	default:
		return
	}
	if parts[0] == "namespaces" && len(parts) > 2 && !ofNamespace(parts[2:]) {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Subresource = strings.Join(parts[2:], "/")
	}
}

// ofNamespace reports whether what comes after a namespace is a subresource of its own.
func ofNamespace(rest []string) bool {
	return len(rest) == 1 && (rest[0] == "status" || rest[0] == "finalize")
}

func verb(r *http.Request, name string) string {
	switch r.Method {
	case http.MethodPost:
		return Create
	case http.MethodPut:
		return Update
	case http.MethodPatch:
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/apply-patch+") {
			return Apply
		}
		return Patch
	case http.MethodDelete:
		if name == "" {
			return DeleteCollection
		}
		return Delete
	}
	if watch := r.URL.Query().Get("watch"); watch == "true" || watch == "1" {
		return Watch
	}
	if name == "" && isResource(r.URL.Path) {
		return List
	}
	return Get
}

// isResource reports whether a path is that of a resource, and not of discovery or health.
func isResource(path string) bool {
	var r Request
	r.parsePath(path)
	return !strings.HasPrefix(r.Resource, "/")
}
