package catalog

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/sources"
)

// An upstream can repeat the credentials that it was sent in an error, a challenge or a redirect, in an encoding of
// its choice. The packages below sources take the credentials out of errors as they are; here every encoding of every
// Secret that was read on the way is hidden, in the one place through which all errors of upstreams leave.

// disclosed are the Secrets that were read for one poll or fetch.
type disclosed struct {
	mu      sync.Mutex
	secrets []*corev1.Secret
}

type disclosedKey struct{}

// disclose notes a Secret, so that messages about what is done with it hide its content.
func disclose(ctx context.Context, secret *corev1.Secret) {
	found, ok := ctx.Value(disclosedKey{}).(*disclosed)
	if !ok {
		return
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	found.secrets = append(found.secrets, secret)
}

// redactable returns a context that keeps the Secrets that are read with it, for hide.
func redactable(ctx context.Context) (context.Context, *disclosed) {
	found := &disclosed{}
	return context.WithValue(ctx, disclosedKey{}, found), found
}

// mask hides the Secrets that were read so far.
func (d *disclosed) mask() redact.Mask {
	d.mu.Lock()
	defer d.mu.Unlock()
	texts := make([]any, 0, len(d.secrets))
	for _, secret := range d.secrets {
		texts = append(texts, credentialsIn(secret)...)
	}
	return redact.NewMask(texts...)
}

// hide returns an error with the Secrets that were read so far hidden in its text. What else is known of it stays.
func (d *disclosed) hide(err error) error {
	if err == nil {
		return nil // spares the work for a mask
	}
	return d.mask().Error(err)
}

// redacting hides in what a poll says the Secrets that it has read.
func redacting(poll poller) poller {
	return func(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
		ctx, read := redactable(ctx)
		found := poll(ctx, source, choices)
		found.Err = read.hide(found.Err)
		if len(found.Warnings) > 0 {
			mask := read.mask()
			for i := range found.Warnings {
				found.Warnings[i] = mask.Apply(found.Warnings[i])
			}
		}

		return found
	}
}

// hidePicks hides in the errors of answers the Secrets that were read with ctx.
func hidePicks(ctx context.Context, s *sourceCache) {
	read, ok := ctx.Value(disclosedKey{}).(*disclosed)
	if !ok {
		return
	}

	for choice, answer := range s.Picks {
		if answer.err != nil {
			answer.err = read.hide(answer.err)
			s.Picks[choice] = answer
		}
		if answer.withdrawn != nil {
			answer.withdrawn = read.hide(answer.withdrawn)
			s.Picks[choice] = answer
		}
	}
}

// public are the keys of Secrets whose values identify a user and prove nothing. They are names and addresses, which
// messages need.
var public = map[string]bool{
	"username": true, "accesskey": true, "address": true, "known_hosts": true, "identity.pub": true,
	"trusted_root.json": true,
	sources.CAKey:       true, "caFile": true, sources.CertKey: true, "certFile": true,
}

// credentialsIn is the content of a Secret that no message may show, for redact.NewMask.
func credentialsIn(secret *corev1.Secret) []any {
	var texts []any
	for key, value := range secret.Data {
		switch {
		case key == sources.DockerConfigKey:
			texts = append(texts, credentialsOfDocker(value)...)
		case key == "address" && strings.Contains(string(value), "@"):
			texts = append(texts, value) // a mistake: credentials have keys of their own
		case !public[key] && !strings.HasSuffix(key, ".pub"):
			texts = append(texts, value)
		}
	}

	return texts
}

// credentialsOfDocker is the content of a docker config.json but for hosts, names and addresses. Of one that cannot be
// read it is everything.
func credentialsOfDocker(config []byte) []any {
	var parsed struct {
		Auths map[string]map[string]any `json:"auths"`
	}
	if json.Unmarshal(config, &parsed) != nil {
		return []any{config}
	}

	var texts []any
	for _, entry := range parsed.Auths {
		for field, value := range entry {
			if field != "username" && field != "email" {
				texts = append(texts, value)
			}
		}
	}

	return texts
}
