package receiver

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Nexus signs with it; an HMAC does not need a hash without collisions
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"net/http"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// proofError is why a call does not count. It is for our log; the caller gets no reason.
type proofError string

// Error implements error.
func (e proofError) Error() string { return string(e) }

// call is what a caller says.
type call struct {
	header http.Header
	body   []byte
}

// prove checks that a call is meant for a receiver: that the caller knows the token.
func prove(kind string, token []byte, c call) error {
	switch kind {
	case v1beta1.ReceiverGeneric, v1beta1.ReceiverDockerHub, v1beta1.ReceiverQuay, v1beta1.ReceiverACR,
		v1beta1.ReceiverCDEvents:
		return nil // the address is the proof
	case v1beta1.ReceiverBitbucket:
		return signature(c.header.Get("X-Hub-Signature"), token, c.body)
	case v1beta1.ReceiverNexus:
		return bareSignature(c.header.Get("X-Nexus-Webhook-Signature"), token, c.body)
	case v1beta1.ReceiverHarbor:
		return same(c.header.Get("Authorization"), token, "Authorization")
	case v1beta1.ReceiverHMAC:
		return signature(c.header.Get("X-Signature"), token, c.body)
	case v1beta1.ReceiverGitHub:
		return signature(c.header.Get("X-Hub-Signature-256"), token, c.body)
	case v1beta1.ReceiverGitLab:
		return same(c.header.Get("X-Gitlab-Token"), token, "X-Gitlab-Token")
	case v1beta1.ReceiverRegistry:
		bearer, is := strings.CutPrefix(c.header.Get("Authorization"), "Bearer ")
		if !is {
			return proofError("the call has no bearer token in the header Authorization")
		}

		return same(bearer, token, "Authorization")
	default:
		return proofError("the type of the receiver is not known")
	}
}

func same(given string, token []byte, header string) error {
	if given == "" {
		return proofError("the call has no header " + header)
	}
	a := sha256.Sum256([]byte(given))
	b := sha256.Sum256(token) // equal in length, so that the comparison takes the same time
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return proofError("the token in the header " + header + " is another one")
	}
	return nil
}

// signature checks ALGORITHM=HEX over the body.
func signature(given string, token, body []byte) error {
	algorithm, sum, is := strings.Cut(given, "=")
	var make func() hash.Hash
	switch {
	case !is:
		return proofError("the call has no signature")
	case algorithm == "sha256":
		make = sha256.New
	case algorithm == "sha512":
		make = sha512.New
	default:
		return proofError("the signature is not made with sha256 or sha512")
	}

	decoded, err := hex.DecodeString(sum)
	if err != nil {
		return proofError("the signature is not hexadecimal")
	}

	return fits(make, decoded, token, body)
}

// bareSignature checks a signature of Nexus, an HMAC with SHA-1 in hexadecimal over the body.
func bareSignature(given string, token, body []byte) error {
	decoded, err := hex.DecodeString(given)
	if err != nil || given == "" {
		return proofError("the call has no signature in hexadecimal")
	}
	return fits(sha1.New, decoded, token, body)
}

// fits checks an HMAC over the body.
func fits(make func() hash.Hash, given, token, body []byte) error {
	mac := hmac.New(make, token)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), given) {
		return proofError("the signature does not fit the body, or was made with another token")
	}
	return nil
}

// news is what a call is about.
type news struct {
	// matters is unset for a call that is only a greeting, or about something that does not count.
	matters bool
	// repositories of a registry that have something new; nil when that is not told.
	repositories []string
	// body of the call, or the message in it for the type gcr, and claims of the token, for the filters of the receiver.
	body   []byte
	claims map[string]any
}

// about reads what a call is about.
func about(r *v1beta1.Receiver, c call) (news, error) {
	if r.Spec.Type == v1beta1.ReceiverGCR {
		return pushed(c.body)
	}
	out, err := aboutBody(r, c)
	out.body = c.body
	return out, err
}

// aboutBody reads what a call is about whose body is the news itself.
func aboutBody(r *v1beta1.Receiver, c call) (news, error) {
	switch r.Spec.Type {
	case v1beta1.ReceiverGitHub:
		event := c.header.Get("X-GitHub-Event")
		return news{matters: event != "ping" && counts(r, event)}, nil
	case v1beta1.ReceiverGitLab:
		return news{matters: counts(r, c.header.Get("X-Gitlab-Event"))}, nil
	case v1beta1.ReceiverBitbucket:
		return news{matters: counts(r, c.header.Get("X-Event-Key"))}, nil
	case v1beta1.ReceiverCDEvents:
		return cdEvent(r, c)
	case v1beta1.ReceiverDockerHub, v1beta1.ReceiverQuay, v1beta1.ReceiverACR, v1beta1.ReceiverNexus,
		v1beta1.ReceiverHarbor:
		return news{matters: true}, isObject(c.body)
	case v1beta1.ReceiverRegistry:
		return notified(c.body)
	default:
		return news{matters: true}, nil
	}
}

// cdEvent reads a CDEvent, whose type is in a header.
func cdEvent(r *v1beta1.Receiver, c call) (news, error) {
	kind := c.header.Get("Ce-Type")
	if kind == "" {
		return news{}, errors.New("the call has no header Ce-Type")
	}
	return news{matters: counts(r, kind)}, isObject(c.body)
}

// isObject checks that a body is a JSON object, as all senders of events send it.
func isObject(body []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return errors.New("the body is not a JSON object")
	}
	return nil
}

// counts reports whether a receiver has an event among those that count.
func counts(r *v1beta1.Receiver, event string) bool {
	return len(r.Spec.Events) == 0 || slices.ContainsFunc(r.Spec.Events, func(e string) bool {
		return strings.EqualFold(e, event)
	})
}

// maxNotified is how many events of one call are looked at.
const maxNotified = 1000

// notified reads the notification of a registry: the repositories that something was pushed to, or deleted from.
func notified(body []byte) (news, error) {
	var envelope struct {
		Events []struct {
			Action string `json:"action"`
			Target struct {
				Repository string `json:"repository"`
			} `json:"target"`
		} `json:"events"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return news{}, errors.New("the call is no notification of a registry")
	}

	out := news{repositories: []string{}}
	for _, event := range envelope.Events[:min(len(envelope.Events), maxNotified)] {
		if event.Action != "push" && event.Action != "delete" || event.Target.Repository == "" ||
			slices.Contains(out.repositories, event.Target.Repository) {
			continue
		}

		out.matters = true
		out.repositories = append(out.repositories, event.Target.Repository)
	}

	return out, nil
}

// isAbout reports whether news concern an object: for a registry, whether one of the repositories is that of its URL.
func (n news) isAbout(object any) bool {
	if n.repositories == nil {
		return true
	}

	var url string
	switch object := object.(type) {
	case *v1beta1.OCIRepository:
		url = object.Spec.URL
	case *v1beta1.HelmRepository:
		url = object.Spec.URL
	default:
		return true
	}

	_, path, _ := strings.Cut(strings.TrimPrefix(url, "oci://"), "/")
	path = strings.TrimSuffix(path, "/")
	return slices.ContainsFunc(n.repositories, func(repository string) bool {
		return repository == path || strings.HasPrefix(repository, path+"/") || path == ""
	})
}
