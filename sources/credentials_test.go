package sources

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
)

const secret = "hunter2hunter2"

func TestCredentialsNeverShowThePassword(t *testing.T) {
	c := Credentials{Username: "robot", Password: secret}
	encoded, err := json.Marshal(map[string]any{"c": c, "p": &c})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ Inner Credentials }{c}
	texts := []string{string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, holder),
			fmt.Sprintf(verb, []Credentials{c}))
	}
	for _, text := range texts {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the password is in %q", text)
		}
	}
	if !strings.Contains(c.String(), "robot") || (Credentials{}).String() != "anonymous" {
		t.Errorf("got %s and %s", c, Credentials{})
	}
}

func TestBasicCredentials(t *testing.T) {
	tests := []struct {
		name string
		kind string
		data map[string]string
		want Credentials
		says string // part of the failure, "" for success
	}{
		{
			name: "both keys are read", data: map[string]string{"username": "u", "password": "p"},
			want: Credentials{Username: "u", Password: "p"},
		},
		{
			name: "line ends of files are dropped", data: map[string]string{"username": "u\n", "password": "p\r\n"},
			want: Credentials{Username: "u", Password: "p"},
		},
		{
			name: "a missing key is named with those that are there", data: map[string]string{"username": "u", "pasword": secret},
			says: `it has "pasword", "username"`,
		},
		{name: "an empty Secret has none", data: nil, says: "it has none"},
		{
			name: "a docker config is refused", kind: DockerConfigType, data: map[string]string{DockerConfigKey: "{}"},
			says: "is for registries",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := BasicCredentials(test.kind, bytesOf(test.data))
			check(t, got, err, test.want, test.says)
		})
	}
}

func TestBucketCredentials(t *testing.T) {
	got, err := BucketCredentials(bytesOf(map[string]string{"accesskey": "k\n", "secretkey": secret}))
	check(t, got, err, Credentials{Username: "k", Password: secret}, "")
	got, err = BucketCredentials(bytesOf(map[string]string{"accesskey": "k", "secretKey": secret}))
	check(t, got, err, Credentials{}, `it has "accesskey", "secretKey"`)
}

func bytesOf(data map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for k, v := range data {
		out[k] = []byte(v)
	}
	return out
}

func check(t *testing.T, got Credentials, err error, want Credentials, says string) {
	t.Helper()
	if says == "" {
		if err != nil || got != want {
			t.Fatalf("got %v %v, want %v", got, err, want)
		}
		return
	}
	wantFailure(t, err, v1beta1.AuthenticationFailedReason, false)
	if !strings.Contains(err.Error(), says) {
		t.Errorf("the message does not say %q: %s", says, err)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the message holds a password: %s", err)
	}
}

func auth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func TestRegistryCredentials(t *testing.T) {
	entry := func(user string) map[string]string { return map[string]string{"auth": auth(user, "p")} }
	as := func(user string) Credentials { return Credentials{Username: user, Password: "p"} }
	tests := []struct {
		name       string
		auths      map[string]any
		repository string
		want       Credentials
		says       string
	}{
		{
			name: "the host's entry is used", auths: map[string]any{"ghcr.io": entry("a")}, repository: "ghcr.io/team/chart",
			want: as("a"),
		},
		{
			name:       "the longest path wins",
			auths:      map[string]any{"ghcr.io": entry("a"), "ghcr.io/team": entry("b"), "ghcr.io/team/x": entry("c")},
			repository: "ghcr.io/team/chart", want: as("b"),
		},
		{
			name: "a path ends at a slash", auths: map[string]any{"ghcr.io/team": entry("a"), "ghcr.io": entry("b")},
			repository: "ghcr.io/team-b/chart", want: as("b"),
		},
		{
			name: "a path may be the whole repository", auths: map[string]any{"ghcr.io/team/chart": entry("a")},
			repository: "ghcr.io/team/chart", want: as("a"),
		},
		{
			name: "a key may be a URL with the API's version", auths: map[string]any{"https://ghcr.io/v2/": entry("a")},
			repository: "ghcr.io/x", want: as("a"),
		},
		{
			name: "Docker Hub has several names", auths: map[string]any{"https://index.docker.io/v1/": entry("a")},
			repository: "docker.io/org/chart", want: as("a"),
		},
		{
			name: "Docker Hub's registry is Docker Hub", auths: map[string]any{"docker.io": entry("a")},
			repository: "registry-1.docker.io/org/chart", want: as("a"),
		},
		{
			name: "the port counts", auths: map[string]any{"localhost:5000": entry("a"), "localhost:5001": entry("b")},
			repository: "localhost:5001/x", want: as("b"),
		},
		{
			name: "a wildcard stands for one label", auths: map[string]any{"*.example.com": entry("a")},
			repository: "eu.example.com/x", want: as("a"),
		},
		{
			name: "a wildcard does not stand for two labels", auths: map[string]any{"*.example.com": entry("a")},
			repository: "a.b.example.com/x", says: `no entry for "a.b.example.com"`,
		},
		{
			name:  "an exact host beats a wildcard",
			auths: map[string]any{"*.example.com": entry("a"), "eu.example.com": entry("b")}, repository: "eu.example.com/x",
			want: as("b"),
		},
		{
			name:  "user name and password need no auth",
			auths: map[string]any{"h": map[string]string{"username": "a", "password": "p"}}, repository: "h/x", want: as("a"),
		},
		{
			name: "a password may hold a colon", auths: map[string]any{"h": map[string]string{"auth": auth("a", "p:q")}},
			repository: "h/x", want: Credentials{Username: "a", Password: "p:q"},
		},
		{
			name:  "another host is named with those that are there",
			auths: map[string]any{"a.io": entry("a"), "https://u:" + secret + "@b.io/v1/": entry("b")}, repository: "c.io/x",
			says: `no entry for "c.io"; it has entries for "a.io", "b.io"`,
		},
		{
			name: "an identity token is refused", auths: map[string]any{"h": map[string]string{"identitytoken": secret}},
			repository: "h/x", says: "token of a login session",
		},
		{
			name:       "an identity token with the usual auth beside it is refused",
			auths:      map[string]any{"h": map[string]string{"auth": auth("<token>", ""), "identitytoken": secret}},
			repository: "h/x", says: "token of a login session",
		},
		{
			name: "auth has to be base64", auths: map[string]any{"h": map[string]string{"auth": secret + "!"}},
			repository: "h/x", says: "is not base64",
		},
		{
			name: "an entry may be empty", auths: map[string]any{"h": map[string]string{}}, repository: "h/x",
			says: "has neither auth",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := json.Marshal(map[string]any{"auths": test.auths})
			if err != nil {
				t.Fatal(err)
			}
			got, err := RegistryCredentials(DockerConfigType, map[string][]byte{DockerConfigKey: config}, test.repository)
			check(t, got, err, test.want, test.says)
		})
	}
}

func TestRegistryCredentialsOfOtherSecrets(t *testing.T) {
	got, err := RegistryCredentials("Opaque", bytesOf(map[string]string{"username": "u", "password": "p"}), "h/x")
	check(t, got, err, Credentials{Username: "u", Password: "p"}, "")
	_, err = RegistryCredentials(DockerConfigType, bytesOf(map[string]string{"other": "x"}), "h/x")
	check(t, Credentials{}, err, Credentials{}, `needs the key .dockerconfigjson; it has "other"`)
	_, err = RegistryCredentials(DockerConfigType, bytesOf(map[string]string{DockerConfigKey: "{" + secret}), "h/x")
	check(t, Credentials{}, err, Credentials{}, "is not a docker config.json")
}

func FuzzRegistryCredentials(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io/a":{"auth":"YTpi"}}}`), "ghcr.io/a/b")
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"username":"a","password":"b"}}}`), "docker.io/x/y")
	f.Add([]byte(`{"auths":{"*.[.io":{"auth":""}}}`), "x.y.io/")
	f.Add([]byte(`{"auths":{"":{}}}`), "")
	f.Add([]byte(`[]`), "/")
	f.Fuzz(func(t *testing.T, config []byte, repository string) {
		got, err := RegistryCredentials(DockerConfigType, map[string][]byte{DockerConfigKey: config}, repository)
		if (err == nil) == (got.Username == "" || got.Password == "") {
			t.Fatalf("got %v and %v", got, err)
		}
		again, _ := RegistryCredentials(DockerConfigType, map[string][]byte{DockerConfigKey: config}, repository)
		if diff := cmp.Diff(got.Password, again.Password); diff != "" {
			t.Fatalf("the answer changes from one time to the next")
		}
	})
}

func TestErrorKeepsItsReasonBelowOtherErrors(t *testing.T) {
	cause := errors.New("connection reset")
	err := fmt.Errorf("reconciling: %w", Fail(v1beta1.FetchFailedReason, cause, "fetching %s", "x").After(time.Minute))
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, cause) {
		t.Fatalf("the chain is broken: %v", err)
	}
	if got, want := err.Error(), "reconciling: fetching x: connection reset"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if e.RetryAfter() != time.Minute || !e.Retryable() || Reason(err) != v1beta1.FetchFailedReason {
		t.Errorf("got %v, %v, %s", e.RetryAfter(), e.Retryable(), Reason(err))
	}
	if Stall(v1beta1.URLInvalidReason, nil, "x").Retryable() || Reason(cause) != "" {
		t.Error("a stalled failure says it can be tried again, or a plain error has a reason")
	}
}
