/* What pages do beyond HTML, where scripts run: a password can be shown, a passkey can be made or
   used, a language can be chosen, and times are in the reader's zone. A page is whole without it. No newer words than a television of 2014 knows. */
(function (document) {
  "use strict";

  var MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December"];
  var LANGUAGE = document.documentElement.lang;

  function all(selector, act) {
    Array.prototype.forEach.call(document.querySelectorAll(selector), act);
  }

  function two(number) {
    return (number < 10 ? "0" : "") + number;
  }

  /* "UTC+2", "UTC-3:30": what is read out to somebody else has to say where it holds. */
  function zone(date) {
    var offset = -date.getTimezoneOffset(), minutes = Math.abs(offset);
    if (offset === 0) return "UTC";
    return "UTC" + (offset < 0 ? "-" : "+") + Math.floor(minutes / 60) + (minutes % 60 ? ":" + two(minutes % 60) : "");
  }

  function day(date) {
    if (LANGUAGE === "en") return date.getDate() + " " + MONTHS[date.getMonth()] + " " + date.getFullYear();
    return date.toLocaleDateString(LANGUAGE, { day: "numeric", month: "long", year: "numeric" });
  }

  /* Only what ends in UTC is a moment; "never" stays. */
  function local(time) {
    var utc = time.textContent, date = new Date(time.getAttribute("datetime"));
    if (!/ UTC$/.test(utc) || isNaN(date.getTime())) return;
    var shown = two(date.getHours()) + ":" + two(date.getMinutes()) + " " + zone(date);
    if (utc.indexOf(",") > 0) {
      shown = day(date) + ", " + shown;
    }
    time.title = utc;
    time.textContent = shown;
  }

  function showing(button) {
    var input = document.getElementById(button.getAttribute("aria-controls"));
    function set(shown) {
      input.type = shown ? "text" : "password";
      button.setAttribute("aria-pressed", shown ? "true" : "false");
    }
    button.addEventListener("click", function () {
      set(input.type === "password");
    });
    /* Sent, kept by the browser and found again by Back as a password only. */
    input.form.addEventListener("submit", function () { set(false); });
    window.addEventListener("pagehide", function () { set(false); });
    button.removeAttribute("hidden");
  }

  /* ---- passkeys (WebAuthn). A challenge counts for a quarter of an hour. ---- */

  var QUESTION_LIFE = 14 * 60 * 1000, opened = new Date().getTime(), waiting = null;

  function octets(base64url) {
    var text = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
    return raw(text);
  }

  function raw(text) {
    var found = new Uint8Array(text.length);
    for (var at = 0; at < text.length; at++) found[at] = text.charCodeAt(at);
    return found;
  }

  function written(buffer) {
    var text = "", read = new Uint8Array(buffer);
    for (var at = 0; at < read.length; at++) text += String.fromCharCode(read[at]);
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function typed(form, name) {
    var input = form.elements[name];
    return (input && input.value) || "";
  }

  function keys(ids) {
    return ids.map(function (id) { return { type: "public-key", id: octets(id) }; });
  }

  /* What signs somebody in is found without a name; a device is asked for by its key. */
  function stays(how) {
    return { residentKey: how, requireResidentKey: how === "required", userVerification: "required" };
  }

  function toMake(button) {
    var form = button.form, called = typed(form, "email") || button.getAttribute("data-called");
    var known = button.getAttribute("data-known").split(" ").filter(Boolean);
    return {
      challenge: octets(button.getAttribute("data-challenge")),
      rp: { name: button.getAttribute("data-site") },
      user: { id: raw(button.getAttribute("data-user")), name: called, displayName: typed(form, "name") || called },
      pubKeyCredParams: [-7, -8, -257].map(function (alg) { return { type: "public-key", alg: alg }; }),
      authenticatorSelection: stays(button.getAttribute("data-discoverable") || "required"),
      excludeCredentials: keys(known),
      attestation: "none",
      timeout: 300000
    };
  }

  function toUse(button) {
    var asked = { challenge: octets(button.getAttribute("data-challenge")), userVerification: "required", timeout: 300000 };
    var allowed = (button.getAttribute("data-allowed") || "").split(" ").filter(Boolean);
    if (allowed.length) asked.allowCredentials = keys(allowed);
    return asked;
  }

  function said(credential) {
    var answer = credential.response, told = { id: credential.id, clientDataJSON: written(answer.clientDataJSON) };
    if (answer.signature) {
      told.authenticatorData = written(answer.authenticatorData);
      told.signature = written(answer.signature);
      told.userHandle = answer.userHandle ? written(answer.userHandle) : null;
    } else {
      told.authenticatorData = written(answer.getAuthenticatorData());
      told.publicKey = written(answer.getPublicKey());
    }
    return JSON.stringify(told);
  }

  function failed(form, shown) {
    var words = form.querySelector("[data-passkey-failed]");
    if (shown) words.removeAttribute("hidden");
    else words.setAttribute("hidden", "");
  }

  function send(button, credential) {
    button.form.elements.passkey.value = said(credential);
    button.form.submit();
  }

  /* A passkey is offered where the address is typed, too. */
  function offer(button) {
    var known = window.PublicKeyCredential.isConditionalMediationAvailable;
    if (!known || !window.AbortController) return;
    window.PublicKeyCredential.isConditionalMediationAvailable().then(function (can) {
      if (!can) return;
      waiting = new AbortController();
      navigator.credentials.get({ publicKey: toUse(button), mediation: "conditional", signal: waiting.signal })
        .then(function (credential) { send(button, credential); }, function () { });
    });
  }

  function passkey(button) {
    var makes = button.getAttribute("data-passkey") === "create", form = button.form;
    if (!window.PublicKeyCredential || !navigator.credentials) return;
    all("[data-passkeys]", function (part) { part.removeAttribute("hidden"); });
    all("[data-no-passkeys]", function (part) { part.setAttribute("hidden", ""); });
    button.removeAttribute("hidden");
    if (!makes && !button.getAttribute("data-allowed")) offer(button);
    button.addEventListener("click", function () {
      var email = form.elements.email;
      if (makes && email && !email.reportValidity()) return;
      if (new Date().getTime() - opened > QUESTION_LIFE) { window.location.reload(); return; }
      failed(form, false);
      if (waiting) waiting.abort();
      var asked = makes ? navigator.credentials.create({ publicKey: toMake(button) })
        : navigator.credentials.get({ publicKey: toUse(button) });
      asked.then(function (credential) { send(button, credential); }).then(null, function () { failed(form, true); });
    });
  }

  /* ---- the reader's language: a cookie of our own pages, so shown on them alone. ---- */

  function language(select) {
    if (window.location.pathname.indexOf("/.pomerium/") !== 0) return;
    select.value = LANGUAGE;
    select.removeAttribute("hidden");
    select.addEventListener("change", function () {
      document.cookie = "usher_language=" + select.value + "; Path=/.pomerium/; Max-Age=31536000; SameSite=Lax" +
        (window.location.protocol === "https:" ? "; Secure" : "");
      if (window.location.hash) window.location.reload();
      else window.location.replace(window.location.href); /* what was posted is not posted again */
    });
  }

  all("select[data-language]", language);
  all("time[datetime]", local);
  all("button[aria-controls]", showing);
  all("button[data-passkey]", passkey);
})(document);
