package attacks

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// noCanary looks for secrets in what the tenant can read, and in the log of the controller.
func (s *scene) noCanary(t *testing.T) {
	t.Helper()
	check := func(where string, value any, secrets ...string) {
		t.Helper()
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			for _, form := range formsOf(secret) { // one is enough
				if strings.Contains(string(text), form) {
					t.Errorf("%s shows a secret as %q", where, form)
					break
				}
			}
		}
	}
	for _, object := range left(t) {
		check(object.GetKind()+" "+object.GetName(), object.Object["status"], append(slices.Clone(canaries), canaryOwn)...)
	}
	configs, events := &corev1.ConfigMapList{}, &corev1.EventList{}
	for _, objects := range []client.ObjectList{configs, events} {
		if err := world.cluster.Client.List(t.Context(), objects, client.InNamespace(attacker)); err != nil {
			t.Fatal(err)
		}
	}
	check("a ConfigMap", configs.Items, canaries...)
	check("an event", events.Items, append(slices.Clone(canaries), canaryOwn)...)
	log := logOf(t)
	check("the log", string(log[min(s.logged, len(log)):]), append(slices.Clone(canaries), canaryOwn)...)
}

// formsOf a secret in which it can be read.
func formsOf(secret string) []string {
	forms := []string{secret, hex.EncodeToString([]byte(secret)), url.QueryEscape(secret), strings.ToUpper(secret)}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		forms = append(forms, encoded[4:len(encoded)-4]) // the ends depend on what surrounds the secret
	}
	return forms
}

// logOf the controller, all of it.
func logOf(t *testing.T) []byte {
	t.Helper()
	log, err := os.ReadFile(world.controller.Log)
	if err != nil {
		t.Fatal(err)
	}
	return log
}
