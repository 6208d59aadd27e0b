package catalog

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A bucket is reached through the proxy that it names.
func TestABucketIsReachedThroughItsProxy(t *testing.T) {
	t.Parallel()
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "bucket.example.com" && r.Header.Get("Proxy-Authorization") != "" {
			proxied.Add(1)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	secret := secretOf("proxy", map[string]string{"address": proxy.URL, "username": "robot", "password": "secret"})
	object := &v1beta1.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "fleet", UID: "u1"}}
	object.Spec.Endpoint, object.Spec.BucketName, object.Spec.Insecure = "bucket.example.com", "fleet", true
	object.Spec.ProxySecretRef = &v1beta1.LocalObjectReference{Name: "proxy"}
	if found := newCatalog(t, secret, object).pollBucket(t.Context(), object, nil); found.Err == nil {
		t.Error("the answer of the proxy is taken for a bucket")
	}
	if proxied.Load() == 0 {
		t.Error("the proxy was not asked")
	}
}
