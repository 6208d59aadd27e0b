package receiver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	tokenKey = "token"
	// emailKey and audienceKey are for the type gcr.
	emailKey    = "email"
	audienceKey = "audience"
	// minToken is how long a token is at least, in bytes: addresses are made from it.
	minToken = 16
	// maxObjects is how many objects one call has looked at.
	maxObjects = 500
	// selectTimeout bounds the filters of a receiver for one call, over all objects.
	selectTimeout = 5 * time.Second

	pathIndex  = "fairlead.webhookPath"
	fieldOwner = "fairlead-receiver"
)

// handler implements loop.Handler: it keeps the address of a receiver. It is also what the server asks.
type handler struct {
	// cached reads the cache, live the API server, which Secrets are read from.
	cached client.Client
	live   client.Reader
	now    func() time.Time
	// ownNamespace refuses objects in other namespaces.
	ownNamespace bool
	filters      *filters
	// rules are for receivers of the type generic-oidc, verifier for those and for the type gcr.
	rules    *claimRules
	verifier verifier
	// google is the issuer of the tokens that Pub/Sub brings.
	google string
}

// Reconcile implements loop.Handler.
func (h *handler) Reconcile(ctx context.Context, r *v1beta1.Receiver) (time.Duration, error) {
	status.ReceiverObserved(r)
	before := status.Message(r)
	defer func() {
		if after := status.Message(r); after != before && !status.IsReady(r) {
			loop.Failed(log.FromContext(ctx), r, after)
		}
	}()
	if message := v1beta1.UnsupportedMessage(r); message != "" {
		refused(r, v1beta1.UnsupportedReason, message, h.now())
		return 0, nil
	}

	if err := h.admit(r); err != nil {
		refused(r, v1beta1.InvalidReferenceReason, err.Error(), h.now())
		return 0, nil
	}

	if err := h.compile(r); err != nil {
		refused(r, v1beta1.InvalidCELExpressionReason, err.Error(), h.now())
		return 0, nil
	}

	known, err := h.read(ctx, r)
	var lacking *lackingError
	switch {
	case errors.As(err, &lacking):
		lacks := status.Failure{Reason: v1beta1.AuthenticationFailedReason, Message: err.Error()}
		status.ReceiverFailed(r, lacks, h.now())
		return r.GetInterval(), nil
	case err != nil:
		return 0, err
	}

	status.ReceiverServes(r, pathOf(r, known.token), h.now())
	return r.GetInterval(), nil
}

// refused records that only a change of a receiver can help.
func refused(r *v1beta1.Receiver, reason, message string, now time.Time) {
	status.ReceiverFailed(r, status.Failure{Reason: reason, Message: message, Final: true}, now)
}

// compile compiles the expressions of a receiver.
func (h *handler) compile(r *v1beta1.Receiver) error {
	if err := h.filters.check(r); err != nil {
		return err
	}
	return h.rules.check(r)
}

// Finalize implements loop.Handler. Receivers have no finalizer.
func (h *handler) Finalize(context.Context, *v1beta1.Receiver) (bool, time.Duration, error) {
	return true, 0, nil
}

// Forget implements loop.Handler.
func (h *handler) Forget(types.NamespacedName) {}

// admit checks what the spec says by itself.
func (h *handler) admit(r *v1beta1.Receiver) error {
	for i, resource := range r.Spec.Resources {
		switch {
		case h.ownNamespace && resource.Namespace != "" && resource.Namespace != r.Namespace:
			return fmt.Errorf("spec.resources[%d] names objects of namespace %s; references to other namespaces are switched "+
				"off (--no-cross-namespace-refs)", i, resource.Namespace)
		case resource.Name == "*" && len(resource.MatchLabels) == 0:
			return fmt.Errorf("spec.resources[%d] has the name * and no matchLabels", i)
		case resource.Name != "*" && len(resource.MatchLabels) > 0:
			return fmt.Errorf("spec.resources[%d] has matchLabels and the name %q; labels count with the name * only", i,
				resource.Name)
		}
	}
	return nil
}

// lackingError is what a Secret lacks.
type lackingError struct{ text string }

// Error implements error.
func (e *lackingError) Error() string { return e.text }

func lacks(format string, args ...any) error { return &lackingError{fmt.Sprintf(format, args...)} }

// credentials are what the Secret of a receiver holds.
type credentials struct {
	// token is nil for a receiver that has none.
	token []byte
	// email and audience are those of the tokens of Google, for the type gcr only.
	email    string
	audience string
}

// read reads the Secret of a receiver.
func (h *handler) read(ctx context.Context, r *v1beta1.Receiver) (credentials, error) {
	if r.Spec.SecretRef == nil && r.Spec.Type == v1beta1.ReceiverOIDC {
		return credentials{}, nil // the address is no secret
	}
	if r.Spec.SecretRef == nil {
		return credentials{}, lacks("spec.secretRef is missing")
	}

	key := types.NamespacedName{Namespace: r.Namespace, Name: r.Spec.SecretRef.Name}
	secret := &corev1.Secret{}
	err := h.live.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return credentials{}, lacks(
			"Secret %s of spec.secretRef does not exist; the receiver can be called when it is created", key)
	case err != nil:
		return credentials{}, fmt.Errorf("reading Secret %s of spec.secretRef: %w", key, err)
	}

	if len(secret.Data[tokenKey]) < minToken {
		return credentials{}, lacks(
			"Secret %s of spec.secretRef needs the key %s with at least %d characters that cannot be guessed",
			key, tokenKey, minToken)
	}

	known := credentials{token: secret.Data[tokenKey]}
	if r.Spec.Type != v1beta1.ReceiverGCR {
		return known, nil
	}

	known.email = strings.TrimSpace(string(secret.Data[emailKey]))
	known.audience = strings.TrimSpace(string(secret.Data[audienceKey]))
	if known.email == "" || known.audience == "" {
		return credentials{}, lacks(
			"Secret %s of spec.secretRef needs the keys %s and %s, as the tokens of Pub/Sub have them",
			key, emailKey, audienceKey)
	}

	return known, nil
}

// pathOf makes the path of a receiver. Who does not know the token cannot tell it.
func pathOf(r *v1beta1.Receiver, token []byte) string {
	sum := sha256.Sum256([]byte(string(token) + r.Name + r.Namespace))
	return "/hook/" + hex.EncodeToString(sum[:])
}

// find implements receivers.
func (h *handler) find(ctx context.Context, path string) (*v1beta1.Receiver, error) {
	list := &v1beta1.ReceiverList{}
	if err := h.cached.List(ctx, list, client.MatchingFields{pathIndex: path}); err != nil {
		return nil, fmt.Errorf("looking for the receiver: %w", err)
	}

	for i := range list.Items {
		if r := &list.Items[i]; !r.Spec.Suspend && r.DeletionTimestamp == nil && status.IsReady(r) {
			return r, nil
		}
	}

	return nil, nil //nolint:nilnil // that there is none is an answer
}

// credentials implements receivers. They count only if the path was made from their token: a Secret that was changed
// since is for the next path.
func (h *handler) credentials(ctx context.Context, r *v1beta1.Receiver) (credentials, error) {
	known, err := h.read(ctx, r)
	if err == nil && subtle.ConstantTimeCompare([]byte(pathOf(r, known.token)), []byte(r.Status.WebhookPath)) != 1 {
		err = proofError("the token has changed, and with it the address")
	}
	return known, err
}

// trigger implements receivers.
func (h *handler) trigger(ctx context.Context, r *v1beta1.Receiver, n news) (int, error) {
	if err := h.admit(r); err != nil {
		return 0, err
	}

	selected, err := h.filters.forCall(r, n)
	if err != nil {
		return 0, err
	}

	selecting, cancel := context.WithTimeout(ctx, selectTimeout)
	defer cancel()
	count := 0
	for _, resource := range r.Spec.Resources {
		objects, err := h.objects(ctx, r, resource)
		if err != nil {
			return count, err
		}

		for _, object := range objects {
			if !n.isAbout(object) {
				continue
			}

			has, err := selected.has(selecting, resource, object)
			if err != nil {
				return count, err
			}
			if !has {
				continue
			}
			if count == maxObjects {
				return count, fmt.Errorf("the receiver names more than %d objects; the others wait for their interval", maxObjects)
			}
			if err := h.ask(ctx, object); err != nil {
				return count, err
			}

			count++
		}
	}

	return count, nil
}

// objects are those that a resource names.
func (h *handler) objects(
	ctx context.Context, r *v1beta1.Receiver, resource v1beta1.ReceiverResource,
) ([]client.Object, error) {
	if slices.Contains(v1beta1.ForeignKinds, resource.Kind) {
		return nil, nil // an admission policy warns of it
	}

	namespace := resource.Namespace
	if namespace == "" {
		namespace = r.Namespace
	}

	if resource.Name != "*" {
		object := view.NewObject(resource.Kind)
		if object == nil {
			return nil, fmt.Errorf("the kind %q is not known", resource.Kind)
		}

		err := h.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: resource.Name}, object)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s %s/%s: %w", resource.Kind, namespace, resource.Name, err)
		}

		return []client.Object{object}, nil
	}

	list := view.NewList(resource.Kind)
	if list == nil {
		return nil, fmt.Errorf("the kind %q is not known", resource.Kind)
	}
	if err := h.cached.List(ctx, list, client.InNamespace(namespace),
		client.MatchingLabels(resource.MatchLabels)); err != nil {
		return nil, fmt.Errorf("listing %s: %w", resource.Kind, err)
	}

	var found []client.Object
	err := meta.EachListItem(list, func(item runtime.Object) error {
		found = append(found, item.(client.Object))
		return nil
	})
	return found, err
}

// ask has an object looked at. Any replica may: a request is passed to each of them, and only the leader looks.
func (h *handler) ask(ctx context.Context, object client.Object) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1beta1.ReconcileRequestAnnotation,
		h.now().Format(time.RFC3339Nano))
	err := h.cached.Patch(cluster.Unfenced(ctx), object, client.RawPatch(types.MergePatchType, []byte(patch)),
		client.FieldOwner(fieldOwner))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking %s %s/%s to look: %w", view.KindOf(object.(v1beta1.Conditioned)), object.GetNamespace(),
			object.GetName(), err)
	}
	return nil
}
