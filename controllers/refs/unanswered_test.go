package refs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// Every failure of the cluster of a kubeconfig is reported in the status of the object, and the cluster is asked
// again after a pause.
func TestAClusterThatDoesNotAnswerAsAsked(t *testing.T) {
	t.Parallel()
	remote := &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "far"}}
	broken := apierrors.NewGenericServerResponse(http.StatusInternalServerError, "get", schema.GroupResource{},
		"", "a page", 0, true)
	denied := apierrors.NewUnauthorized("bad token")
	get := func(err error) error { return &url.Error{Op: "Get", URL: "https://far", Err: err} }
	distrusted := get(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	refused := get(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
	for name, test := range map[string]struct {
		err          error
		reason, says string
	}{
		"a server error":        {broken, v1beta1.ClusterUnreachableReason, "its answer is an error (500 InternalError)"},
		"an unknown issuer":     {distrusted, v1beta1.ClusterUnreachableReason, "signed by unknown authority"},
		"nothing listens":       {refused, v1beta1.ClusterUnreachableReason, "connection refused"},
		"no answer in time":     {context.DeadlineExceeded, v1beta1.ClusterUnreachableReason, "deadline"},
		"credentials are wrong": {denied, v1beta1.KubeConfigInvalidReason, "refuses the credentials"},
	} {
		err := Unreachable(fmt.Errorf("listing the records: %w", test.err), "apps", remote, time.Hour)
		var obstacle *ObstacleError
		if !errors.As(err, &obstacle) {
			t.Errorf("%s: %v is no obstacle, so that the object gets no condition", name, err)
			continue
		}
		if obstacle.Reason != test.reason || !strings.Contains(obstacle.Message, test.says) ||
			!strings.Contains(obstacle.Message, "apps/far") {
			t.Errorf("%s: %s, %s", name, obstacle.Reason, obstacle.Message)
		}
		if strings.Contains(obstacle.Message, "a page") || obstacle.Final || obstacle.After != UnreachableRetry {
			t.Errorf("%s: asked again after %s, final %v: %s", name, obstacle.After, obstacle.Final, obstacle.Message)
		}
		if err := Unreachable(test.err, "apps", nil, time.Hour); IsObstacle(err) {
			t.Errorf("%s: the API server of the controller is blamed on the object: %v", name, err)
		}
	}
	for _, own := range []error{context.Canceled, cluster.ErrFenced, nil} {
		if err := Unreachable(own, "apps", remote, time.Hour); IsObstacle(err) {
			t.Errorf("a controller that stops is blamed on the cluster: %v", err)
		}
	}
}
