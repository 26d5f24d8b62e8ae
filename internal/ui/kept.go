package ui

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// This file keeps the secrets that a person has entered while a form comes back: because another field is wrong, or
// because something was only tried. A form never has a secret in it to be read. It carries them sealed: only this
// server, until it stops, opens them, for the same session and the same form.

// keepFor is how long a form may stay open before its secrets have to be entered again.
const keepFor = 30 * time.Minute

// A sealer seals the secrets of forms.
type sealer struct {
	aead   cipher.AEAD
	random io.Reader
	now    func() time.Time
}

// newSealer returns a sealer with a key of its own.
func newSealer(random io.Reader, now func() time.Time) sealer {
	key := make([]byte, 32)
	_, err := io.ReadFull(random, key)
	if err != nil {
		panic(fmt.Sprintf("bellhop: no random bytes: %v", err))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block has the right size
	}
	return sealer{aead, random, now}
}

// keptSecrets are secrets by the names of their fields.
type keptSecrets struct {
	At      time.Time
	Secrets map[string]string
}

// seal returns secrets as the value of a hidden input of a form, for one session; "" for none.
func (s sealer) seal(session, form string, secrets map[string]string) (typed, error) {
	if len(secrets) == 0 {
		return "", nil
	}
	plain, err := json.Marshal(keptSecrets{s.now(), secrets})
	if err != nil {
		return "", err
	}
	nonce := make([]byte, s.aead.NonceSize())
	_, err = io.ReadFull(s.random, nonce)
	if err != nil {
		return "", fmt.Errorf("seal the secrets of a form: %w", err)
	}
	sealed := s.aead.Seal(nonce, nonce, plain, sealedFor(session, form))
	return typed(base64.RawURLEncoding.EncodeToString(sealed)), nil
}

// open returns the secrets of a hidden input. There are none if it is not what seal returned for the session and the
// form, or is older than keepFor.
func (s sealer) open(session, form, text string) map[string]string {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	size := s.aead.NonceSize()
	if err != nil || len(sealed) < size {
		return nil
	}
	plain, err := s.aead.Open(nil, sealed[:size], sealed[size:], sealedFor(session, form))
	if err != nil {
		return nil
	}
	var kept keptSecrets
	err = json.Unmarshal(plain, &kept)
	if err != nil || s.now().Sub(kept.At) > keepFor {
		return nil
	}
	return kept.Secrets
}

// sealedFor is what sealed secrets are bound to.
func sealedFor(session, form string) []byte { return []byte(session + "\x00" + form) }
