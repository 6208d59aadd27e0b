package storage

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// requestTimeout bounds one request for a record. Admission webhooks have 30 s at most.
const requestTimeout = time.Minute

// Timed returns the Secrets with every request that this package makes bounded in time: an API server that accepts a
// connection and does not answer must not keep an action for as long as it likes.
func Timed(secrets typedcorev1.SecretInterface) typedcorev1.SecretInterface {
	return timed{SecretInterface: secrets, timeout: requestTimeout}
}

type timed struct {
	typedcorev1.SecretInterface
	timeout time.Duration
}

// Create implements SecretInterface.
func (t timed) Create(ctx context.Context, secret *corev1.Secret, o metav1.CreateOptions) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.SecretInterface.Create(ctx, secret, o)
}

// Update implements SecretInterface.
func (t timed) Update(ctx context.Context, secret *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.SecretInterface.Update(ctx, secret, o)
}

// Delete implements SecretInterface.
func (t timed) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.SecretInterface.Delete(ctx, name, o)
}

// Get implements SecretInterface.
func (t timed) Get(ctx context.Context, name string, o metav1.GetOptions) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.SecretInterface.Get(ctx, name, o)
}

// List implements SecretInterface.
func (t timed) List(ctx context.Context, o metav1.ListOptions) (*corev1.SecretList, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.SecretInterface.List(ctx, o)
}
