package cluster

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func authority(t *testing.T) []byte {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

const address = "https://remote.example.com:6443"

// given is the content of a ConfigMap: a fine one, with changes.
func given(change map[string]string) map[string][]byte {
	data := map[string][]byte{
		"provider": []byte("generic"), "address": []byte(address), "serviceAccountName": []byte("deployer"),
	}
	for key, value := range change {
		data[key] = []byte(value)
	}
	return data
}

func TestParseParameters(t *testing.T) {
	t.Parallel()
	ca := authority(t)
	for name, tt := range map[string]struct {
		change map[string]string
		want   Parameters
	}{
		"the least": {nil, Parameters{
			Address: address, Audiences: []string{address}, ServiceAccount: "deployer",
		}},
		"all": {map[string]string{"ca.crt": string(ca), "audiences": "a\n\n  b \r\n", "cluster": "none"}, Parameters{
			Address: address, CA: ca, Audiences: []string{"a", "b"}, ServiceAccount: "deployer",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseParameters(given(tt.change))
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestParametersThatAreRefused(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for says, change := range map[string]map[string]string{
		"key provider is missing":                       {"provider": ""},
		"key provider names no provider":                {"provider": secret},
		"provider aws is not supported":                 {"provider": "aws"},
		"provider azure is not supported":               {"provider": "azure"},
		"provider gcp is not supported":                 {"provider": "gcp"},
		"key address is missing":                        {"address": " "},
		"key address has more than 1024 bytes":          {"address": "https://" + strings.Repeat("a", 1024)},
		"key serviceAccountName is missing":             {"serviceAccountName": ""},
		"key serviceAccountName is no name":             {"serviceAccountName": "../" + secret},
		"key ca.crt has no certificate in PEM":          {"ca.crt": secret},
		"key ca.crt has more than 1048576 bytes":        {"ca.crt": strings.Repeat("a", MaxKubeconfig+1)},
		"key audiences has more than 16 lines":          {"audiences": strings.Repeat("a\n", 17)},
		"key audiences has a line of more than 1024 by": {"audiences": strings.Repeat("a", 1025)},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			_, err := ParseParameters(given(change))
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v, want %q", err, says)
			}
			var provider *ProviderError
			if errors.As(err, &provider) != strings.HasSuffix(says, "not supported") {
				t.Errorf("error %T", err)
			}
		})
	}
}

// The address of parameters passes the checks of a kubeconfig, and different tokens never share a connection.
func TestTheKubeconfigOfParameters(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://169.254.169.254", "http://remote.example.com", "ftp://remote.example.com",
		"https://user@remote.example.com", "https://remote.example.com?a=b", "remote.example.com", "https://[fe80::1]",
	} {
		parameters, err := ParseParameters(given(map[string]string{"address": address}))
		if err != nil {
			t.Fatal(err)
		}
		content, err := parameters.Kubeconfig("apps")
		if err != nil {
			t.Fatal(err)
		}
		var refused *KubeconfigError
		_, err = NewPool(1, time.Minute, newClock().read).Get(Access{Kubeconfig: content})
		if !errors.As(err, &refused) {
			t.Errorf("%s is accepted: %v", address, err)
		}
	}
	keys := map[string]bool{}
	for _, change := range []map[string]string{
		nil, {"audiences": "a"}, {"audiences": "b"}, {"serviceAccountName": "other"},
		{"address": "https://other.example.com"},
	} {
		parameters, err := ParseParameters(given(change))
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range []string{"apps", "shop"} {
			content, err := parameters.Kubeconfig(namespace)
			if err != nil {
				t.Fatal(err)
			}
			keys[Access{Kubeconfig: content}.Key()] = true
		}
	}
	if len(keys) != 10 {
		t.Errorf("%d keys of 10 accesses", len(keys))
	}
}
