package cluster

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/helmops/kube/redact"
)

// maxRefusal bounds what is read of an answer that is no success, in bytes.
const maxRefusal = 1 << 20

// maxWarnings is how many warnings of an answer are read, maxWarning how long one may be, in bytes.
const (
	maxWarnings = 64
	maxWarning  = 8 << 10
)

// Secrets returns the credentials in a kubeconfig, for redact.NewMask. Of one that cannot be parsed it is everything.
func Secrets(kubeconfig []byte) []any {
	if len(kubeconfig) == 0 {
		return nil
	}

	parsed, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return []any{kubeconfig}
	}

	var found []any
	for _, user := range parsed.AuthInfos {
		found = append(found, secretsOf(user)...)
	}

	return found
}

func secretsOf(user *clientcmdapi.AuthInfo) []any {
	return []any{user.Token, user.Password, user.ClientKeyData}
}

// discreet keeps a server from bringing the credentials that it was sent into errors: it hides them in answers that
// are no success, in warnings, and in errors of the connection.
type discreet struct {
	next http.RoundTripper
	mask redact.Mask
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (d *discreet) WrappedRoundTripper() http.RoundTripper { return d.next }

// RoundTrip implements http.RoundTripper.
func (d *discreet) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(request)
	if err != nil {
		return nil, d.mask.Error(err)
	}

	response.Header["Warning"] = d.warnings(response.Header["Warning"])
	for i, contentType := range response.Header["Content-Type"] { // an unknown type is quoted
		response.Header["Content-Type"][i] = d.mask.Apply(contentType)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}

	content, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	_ = response.Body.Close() // what was read counts
	if err != nil {
		return nil, d.mask.Error(err)
	}

	content = d.without(content)
	response.Status = http.StatusText(response.StatusCode)
	response.Body = io.NopCloser(bytes.NewReader(content))
	response.ContentLength = int64(len(content))
	response.Header.Del("Content-Length")
	return response, nil
}

// warnings returns the first few warnings of an answer with the credentials hidden. Those that cannot be read, or are
// longer than those of API servers, are left out.
func (d *discreet) warnings(headers []string) []string {
	var out []string
	for _, header := range headers[:min(len(headers), maxWarnings)] {
		if len(header) > maxWarning {
			continue
		}

		read, _ := utilnet.ParseWarningHeaders([]string{header})
		for _, warning := range read {
			text, err := utilnet.NewWarningHeader(warning.Code, "-", d.mask.Apply(warning.Text))
			if err == nil && len(out) < maxWarnings {
				out = append(out, text)
			}
		}
	}

	return out
}

// without returns an answer with the credentials hidden. JSON has escapes of its own, so that its texts are looked at
// one by one.
func (d *discreet) without(content []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var decoded any
	if decoder.Decode(&decoded) == nil {
		if encoded, err := json.Marshal(d.masked(decoded)); err == nil {
			content = encoded
		}
	}
	return []byte(d.mask.Apply(string(content)))
}

func (d *discreet) masked(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(typed))
		for key, below := range typed {
			out[d.mask.Apply(key)] = d.masked(below)
		}

		return out
	case []any:
		for i, below := range typed {
			typed[i] = d.masked(below)
		}
		return typed
	case string:
		return d.mask.Apply(typed)
	default:
		return value
	}
}
