/* Gives the web client of a Jellyfin who its reader is: their token goes where it looks for one, and
   then it is opened. No newer words than a television of 2014 knows. */
(function (window, document) {
  "use strict";

  var seat = document.querySelector("[data-seat]");
  var base = seat.getAttribute("data-seat"), here = window.location.origin + base;
  var KEPT = "jellyfin_credentials", DEVICE = "_deviceId2", TRIES = 40;
  var tries = 0;

  function show(state, words) {
    Array.prototype.forEach.call(seat.querySelectorAll("[data-when]"), function (one) {
      one.hidden = one.getAttribute("data-when") !== state;
      if (!one.hidden && words) one.textContent = words;
    });
  }

  function object(value) {
    return value !== null && typeof value === "object";
  }

  /* Whatever else wrote there. */
  function servers() {
    try {
      var kept = JSON.parse(window.localStorage.getItem(KEPT));
      return kept.Servers.filter(object);
    } catch (_) {
      return [];
    }
  }

  function isHere(one) {
    return String(one.ManualAddress).toLowerCase() === here.toLowerCase();
  }

  function device() {
    var known = window.localStorage.getItem(DEVICE);
    return known || window.btoa(window.navigator.userAgent + "|" + Date.now()).replace(/=/g, "1");
  }

  /* Other servers' entries stay; what it is told to use stands first. */
  function keep(told, own) {
    var entry = { Id: told.server, Name: told.name, ManualAddress: here, LastConnectionMode: 2, manualAddressOnly: true,
      DateLastAccessed: Date.now(), UserId: told.user, AccessToken: told.token || own.AccessToken };
    var others = servers().filter(function (one) { return !isHere(one) && one.Id !== told.server; });
    window.localStorage.setItem(DEVICE, told.device);
    window.localStorage.setItem("enableAutoLogin", "true");
    window.localStorage.setItem(KEPT, JSON.stringify({ Servers: [entry].concat(others) }));
  }

  /* Where somebody was going stands behind the number sign: the web client's own page. */
  function goOn() {
    var page = window.location.hash.charAt(1) === "/" ? window.location.hash : "";
    window.location.replace(base + "/web/" + page);
  }

  function ask(done) {
    var own = servers().filter(isHere)[0] || {}, id, form;
    try {
      id = device();
      window.localStorage.setItem(DEVICE, id);
    } catch (_) {
      show("unkept");
      return done();
    }
    form = "device=" + encodeURIComponent(id) + "&token=" + encodeURIComponent(own.AccessToken || "");
    var request = new XMLHttpRequest();
    request.open("POST", base + "/seat");
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.setRequestHeader("Accept", "application/json");
    request.timeout = 60000;
    request.onloadend = function () {
      var told;
      try { told = JSON.parse(request.responseText); } catch (_) { told = {}; }
      answered(object(told) ? told : {}, own, request.status, done);
    };
    request.send(form);
  }

  function answered(told, own, status, done) {
    if (told.user) {
      try {
        keep(told, own);
      } catch (_) {
        show("unkept");
        return done();
      }
      done();
      return goOn();
    }
    if (told.words) show("said", told.words);
    /* Signed out meanwhile: the page itself leads to where people sign in. */
    else if (status === 401) { done(); return window.location.reload(); }
    else show("silent");
    tries += 1;
    if (told.final || tries >= TRIES) return done();
    window.setTimeout(function () { ask(done); }, 3000);
  }

  /* Two tabs that ask at once would be two devices: one after the other. */
  if (window.navigator.locks && window.Promise) {
    window.navigator.locks.request("seat", function () { return new Promise(ask); });
  } else {
    ask(function () {});
  }
})(window, document);
