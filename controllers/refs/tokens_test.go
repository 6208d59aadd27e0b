package refs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// remoteByToken is the reference of every test here.
var remoteByToken = &v1beta1.KubeConfigReference{ConfigMapRef: &v1beta1.LocalObjectReference{Name: "remote"}}

// identitiesOf knows these objects; issue answers requests for tokens.
func identitiesOf(
	t *testing.T, issue func(account client.Object, request *authenticationv1.TokenRequest) error,
	objects ...client.Object,
) Identities {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		SubResourceCreate: func(
			_ context.Context, _ client.Client, name string, account, request client.Object,
			_ ...client.SubResourceCreateOption,
		) error {
			if name != "token" {
				t.Errorf("subresource %s", name)
			}
			return issue(account, request.(*authenticationv1.TokenRequest))
		},
	}).Build()
	return Identities{Objects: c, Live: c, Documents: NewDocuments(c, c, MaxDocuments), Tokens: TokensOf(c)}
}

func parametersWith(change map[string]string) *corev1.ConfigMap {
	data := map[string]string{
		"provider": "generic", "address": "https://remote.example.com", "serviceAccountName": "deployer",
	}
	for key, value := range change {
		data[key] = value
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "remote"}, Data: data}
}

var deployer = &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "deployer"}}

func TestAccessByToken(t *testing.T) {
	t.Parallel()
	expires := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	seconds := int64(3600)
	want := authenticationv1.TokenRequestSpec{Audiences: []string{"first", "second"}, ExpirationSeconds: &seconds}
	issue := func(account client.Object, request *authenticationv1.TokenRequest) error {
		of := client.ObjectKeyFromObject(account).String()
		if diff := cmp.Diff(want, request.Spec); diff != "" || of != "apps/deployer" {
			t.Errorf("%s (-want +got):\n%s", of, diff)
		}
		request.Status = authenticationv1.TokenRequestStatus{Token: "abc", ExpirationTimestamp: metav1.NewTime(expires)}
		return nil
	}
	i := identitiesOf(t, issue, parametersWith(map[string]string{"audiences": "first\nsecond\n"}), deployer)
	access, err := i.Access(t.Context(), "apps", "there", remoteByToken)
	if err != nil {
		t.Fatal(err)
	}
	if access.User != "system:serviceaccount:apps:there" || access.Namespace != "apps" ||
		!strings.Contains(string(access.Kubeconfig), "https://remote.example.com") {
		t.Errorf("access %+v", access)
	}
	got, err := access.Token(t.Context())
	if err != nil || got != (cluster.Token{Value: "abc", Expires: expires}) {
		t.Errorf("token %+v, %v", got, err)
	}
}

func TestAccessByTokenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		objects []client.Object
		reason  string
		says    string
		final   bool
		again   time.Duration
	}{
		"nothing": {reason: v1beta1.KubeConfigInvalidReason, says: "apps/remote of spec.kubeConfig does not exist"},
		"a cloud": {objects: []client.Object{parametersWith(map[string]string{"provider": "gcp"}), deployer},
			final: true, reason: v1beta1.UnsupportedReason, says: "apps/remote: provider gcp is not supported"},
		"no address": {objects: []client.Object{parametersWith(map[string]string{"address": ""}), deployer},
			reason: v1beta1.KubeConfigInvalidReason, says: "apps/remote of spec.kubeConfig: key address is missing"},
		"no ServiceAccount": {objects: []client.Object{parametersWith(nil)}, again: ForbiddenRetry,
			reason: v1beta1.AccessDeniedReason, says: "names ServiceAccount apps/deployer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := identitiesOf(t, nil, tt.objects...).Access(t.Context(), "apps", "", remoteByToken)
			var known *ObstacleError
			if !errors.As(err, &known) {
				t.Fatalf("error %v", err)
			}
			if known.Reason != tt.reason || known.Final != tt.final || known.After != tt.again ||
				!strings.Contains(known.Message, tt.says) {
				t.Errorf("%s (final %v, again after %s): %s", known.Reason, known.Final, known.After, known.Message)
			}
		})
	}
}

// The answer of the own API server is worded; it must not be taken for one of the remote cluster.
func TestATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	tokens := schema.GroupResource{Resource: "serviceaccounts/token"}
	for name, tt := range map[string]struct {
		err    error
		reason string
		says   string
	}{
		"forbidden": {apierrors.NewForbidden(tokens, "deployer", errors.New("no")),
			v1beta1.AccessDeniedReason, "Fairlead may not create"},
		"gone": {apierrors.NewNotFound(tokens, "deployer"), v1beta1.AccessDeniedReason, "the ServiceAccount does not"},
		"away": {errors.New("connection refused"), v1beta1.ClusterUnreachableReason, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issue := func(client.Object, *authenticationv1.TokenRequest) error { return tt.err }
			identities := identitiesOf(t, issue, parametersWith(nil), deployer)
			access, err := identities.Access(t.Context(), "apps", "", remoteByToken)
			if err != nil {
				t.Fatal(err)
			}
			_, err = access.Token(t.Context())
			if err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
				t.Fatalf("error %v", err)
			}
			var known *ObstacleError
			if err = Unreachable(err, "apps", remoteByToken, time.Hour); !errors.As(err, &known) {
				t.Fatalf("error %v", err)
			}
			const request = "ConfigMap apps/remote of spec.kubeConfig: " +
				"requesting a token of ServiceAccount apps/deployer: "
			if known.Reason != tt.reason || known.After != UnreachableRetry ||
				!strings.HasPrefix(known.Message, request+tt.says) {
				t.Errorf("%s again after %s: %s", known.Reason, known.After, known.Message)
			}
		})
	}
}
