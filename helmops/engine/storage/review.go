package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// allowedFor and deniedFor are how long the answer to an access review counts.
	allowedFor = 10 * time.Minute
	deniedFor  = time.Minute
	// reviewCount bounds the answers that are kept.
	reviewCount = 4096
)

// Reviews asks the API server what the identity of the client may do.
type Reviews interface {
	Create(context.Context, *authorizationv1.SelfSubjectAccessReview,
		metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error)
}

// reviewKey is who wants to read the records of which namespace.
type reviewKey struct{ as, namespace string }

// review is the answer to an access review.
type review struct {
	allowed bool
	until   time.Time
}

// mayRead reports whether a reader may be given what the index knows of the records of a release, which was read with
// the rights of the controller. Where that is not known, the answer is false, and the records have to be read as the
// reader. It fails when the reader may not read them.
func (s *Store) mayRead(ctx context.Context, reader Reader, key Key) (bool, error) {
	if reader.Trusted {
		return true, nil
	}

	known, found := s.reviews.get(reviewKey{reader.As, key.StorageNamespace})
	if !found || !s.now().Before(known.until) {
		var err error
		if known, err = s.review(ctx, reader, key.StorageNamespace); err != nil {
			return false, fmt.Errorf("asking whether %s may get Secrets in namespace %s, where the records of release %s are: "+
				"%w",
				reader.As, key.StorageNamespace, key.Name, err)
		}
	}

	switch {
	case known.until.IsZero():
		return false, nil
	case !known.allowed:
		return false, deniedError(reader, key)
	default:
		return true, nil
	}
}

// review asks the API server, as the reader. The answer is zero when the reader may not ask.
func (s *Store) review(ctx context.Context, reader Reader, namespace string) (review, error) {
	if reader.Reviews == nil {
		return review{}, nil
	}

	wanted := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "get", Version: "v1", Resource: "secrets",
		},
	}}
	answer, err := reader.Reviews.Create(ctx, wanted, metav1.CreateOptions{})
	if apierrors.IsForbidden(err) {
		return review{}, nil
	}
	if err != nil {
		return review{}, err
	}

	out := review{allowed: answer.Status.Allowed && !answer.Status.Denied, until: s.now().Add(allowedFor)}
	if !out.allowed {
		out.until = s.now().Add(deniedFor)
	}

	s.reviews.put(reviewKey{reader.As, namespace}, out, 1)
	return out, nil
}

// deniedError is what the API server would say to the reader.
func deniedError(reader Reader, key Key) error {
	cause := errors.New("User " + strconv.Quote(reader.As) +
		" cannot get resource \"secrets\" in API group \"\" in the namespace " +
		strconv.Quote(key.StorageNamespace))
	return fmt.Errorf("reading the records of release %s in namespace %s: %w", key.Name, key.StorageNamespace,
		apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", cause))
}
