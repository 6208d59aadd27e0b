package receiver

import (
	"context"
	"encoding/json"
	"errors"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	// googleIssuer issues the tokens that Pub/Sub brings.
	googleIssuer = "https://accounts.google.com"
	// inserted is the action of a pushed image. The other action is DELETE.
	inserted = "INSERT"
)

// verifyGoogle verifies a token of Pub/Sub. Google gives tokens for any audience to all its customers: a token counts
// only with the email of the service account that the subscription authenticates as.
func (h *handler) verifyGoogle(
	ctx context.Context, r *v1beta1.Receiver, known credentials, issuer, token string,
) error {
	if issuer != h.google {
		return proofError("the issuer of the token is not Google")
	}
	if known.email == "" || known.audience == "" {
		return proofError("the receiver names no email or no audience")
	}

	claims, err := h.verifier.Verify(ctx, r.Namespace, issuer, known.audience, token)
	if err != nil {
		return err
	}
	if claims["email"] != known.email {
		return proofError("the token is for another email than that of the Secret")
	}
	if claims["email_verified"] != true {
		return proofError("the email of the token is not verified")
	}

	return nil
}

// image is the message of a registry of Google about an image.
type image struct {
	Action string `json:"action"`
	Digest string `json:"digest"`
	Tag    string `json:"tag"`
}

// pushed reads the envelope of Pub/Sub. Filters know the action, digest and tag of the message in it.
func pushed(body []byte) (news, error) {
	var envelope struct {
		Message struct {
			// Data is in base64.
			Data []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return news{}, errors.New("the body is not an envelope of Pub/Sub with data in base64")
	}
	if err := isObject(envelope.Message.Data); err != nil {
		return news{}, errors.New("the data of the message of Pub/Sub is not a JSON object")
	}

	var about image
	if err := json.Unmarshal(envelope.Message.Data, &about); err != nil {
		return news{}, errors.New("the message of Pub/Sub is not that of a registry")
	}

	message, err := json.Marshal(about)
	return news{matters: about.Action == inserted, body: message}, err
}
