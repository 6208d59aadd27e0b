package helmrepo

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// settled is how much older than an answer its content has to be until the date of the content identifies it. Dates
// have a resolution of a second, and the clocks of a server and of the proxy before it differ: RFC 9110, 8.8.2.2.
const settled = time.Minute

// Validators say which index upstream has sent already; the zero value means none. At most one is sent.
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
}

// validatorsOf returns what identifies the content of an answer. The ETag does, unless it is made of a date, as nginx
// makes it. A date does once it lies far enough in the past: an index that is published twice within one second has
// one date.
func validatorsOf(h http.Header) Validators {
	etag := h.Get("ETag")
	modified := h.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil {
		return Validators{ETag: etag}
	}

	answered, err := http.ParseTime(h.Get("Date"))
	isSettled := err == nil && answered.Sub(at) >= settled
	ofDate := strings.Contains(strings.ToLower(etag), fmt.Sprintf("%x", at.Unix()))
	switch {
	case etag != "" && (isSettled || !ofDate):
		return Validators{ETag: etag}
	case etag == "" && isSettled:
		return Validators{LastModified: modified}
	default:
		return Validators{}
	}
}
