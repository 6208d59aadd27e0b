package storage

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// mute never answers.
type mute struct{ typedcorev1.SecretInterface }

func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (mute) Create(ctx context.Context, _ *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
	return nil, silence(ctx)
}

func (mute) Update(ctx context.Context, _ *corev1.Secret, _ metav1.UpdateOptions) (*corev1.Secret, error) {
	return nil, silence(ctx)
}

func (mute) Delete(ctx context.Context, _ string, _ metav1.DeleteOptions) error { return silence(ctx) }

func (mute) Get(ctx context.Context, _ string, _ metav1.GetOptions) (*corev1.Secret, error) {
	return nil, silence(ctx)
}

func (mute) List(ctx context.Context, _ metav1.ListOptions) (*corev1.SecretList, error) {
	return nil, silence(ctx)
}

func TestARequestForARecordThatIsNotAnsweredEnds(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]func(context.Context, typedcorev1.SecretInterface) error{
		"create": func(ctx context.Context, s typedcorev1.SecretInterface) error {
			_, err := s.Create(ctx, nil, metav1.CreateOptions{})
			return err
		},
		"update": func(ctx context.Context, s typedcorev1.SecretInterface) error {
			_, err := s.Update(ctx, nil, metav1.UpdateOptions{})
			return err
		},
		"delete": func(ctx context.Context, s typedcorev1.SecretInterface) error {
			return s.Delete(ctx, "x", metav1.DeleteOptions{})
		},
		"get": func(ctx context.Context, s typedcorev1.SecretInterface) error {
			_, err := s.Get(ctx, "x", metav1.GetOptions{})
			return err
		},
		"list": func(ctx context.Context, s typedcorev1.SecretInterface) error {
			_, err := s.List(ctx, metav1.ListOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // without a bound the bubble deadlocks, and the test fails
				if err := request(context.Background(), Timed(mute{})); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error = %v", err)
				}
			})
		})
	}
}
