package kubeclient

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

// applyOver applies an object that exists. Where the API server refuses it because of a field that excludes what
// is applied, and that the release does not own, the release takes the field over, so that a second apply removes
// it with all that it changes.
func (c *Client) applyOver(info *resource.Info, body []byte) (*unstructured.Unstructured, error) {
	answer, err := c.apply(info, body)
	if !apierrors.IsInvalid(err) {
		return answer, err
	}
	if err := c.claimOr(info, body, err); err != nil {
		return nil, err
	}
	return c.apply(info, body)
}

// claimOr makes the release the owner of the fields because of which an object was refused. It returns the refusal
// when there are none, and what went wrong otherwise.
func (c *Client) claimOr(info *resource.Info, body []byte, cause error) error {
	was, err := c.writer(info).ClaimLeftovers(whileItMoves, body, cause)
	if err == nil && was == nil {
		return cause
	}
	return err
}

// excluded reports whether an object is refused only because of fields that applyOver would remove.
func (c *Client) excluded(info *resource.Info, body []byte, cause error) (bool, error) {
	_, left, err := c.writer(info).Leftovers(body, cause)
	return !left.Empty(), err
}
