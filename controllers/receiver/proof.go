package receiver

import (
	"crypto/hmac"
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

// proofError is why a call does not count. It is for our log; the caller is told nothing.
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
	case v1beta1.ReceiverGeneric:
		return nil // the address is the proof
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
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256(token) // equal in length, so that the comparison takes the same time
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
	mac := hmac.New(make, token)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), decoded) {
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
}

// about reads what a call is about.
func about(r *v1beta1.Receiver, c call) (news, error) {
	switch r.Spec.Type {
	case v1beta1.ReceiverGitHub:
		event := c.header.Get("X-GitHub-Event")
		return news{matters: event != "ping" && counts(r, event)}, nil
	case v1beta1.ReceiverGitLab:
		return news{matters: counts(r, c.header.Get("X-Gitlab-Event"))}, nil
	case v1beta1.ReceiverRegistry:
		return notified(c.body)
	default:
		return news{matters: true}, nil
	}
}

// counts tells whether a receiver has an event among those that count.
func counts(r *v1beta1.Receiver, event string) bool {
	return len(r.Spec.Events) == 0 || slices.ContainsFunc(r.Spec.Events, func(e string) bool { return strings.EqualFold(e, event) })
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
		if event.Action != "push" && event.Action != "delete" || event.Target.Repository == "" || slices.Contains(out.repositories, event.Target.Repository) {
			continue
		}
		out.matters = true
		out.repositories = append(out.repositories, event.Target.Repository)
	}
	return out, nil
}

// isAbout tells whether news concern an object: for a registry, whether one of the repositories is that of its URL.
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
