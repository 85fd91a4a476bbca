/* What pages do beyond HTML, where scripts run: a password can be shown, and times are in the
   reader's zone. A page is whole without it. No newer words than a television of 2014 knows. */
(function (document) {
  "use strict";

  var MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December"];

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

  /* Only what ends in UTC is a moment; "never" stays. */
  function local(time) {
    var utc = time.textContent, date = new Date(time.getAttribute("datetime"));
    if (!/ UTC$/.test(utc) || isNaN(date.getTime())) return;
    var shown = two(date.getHours()) + ":" + two(date.getMinutes()) + " " + zone(date);
    if (utc.indexOf(",") > 0) {
      shown = date.getDate() + " " + MONTHS[date.getMonth()] + " " + date.getFullYear() + ", " + shown;
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

  all("time[datetime]", local);
  all("button[aria-controls]", showing);
})(document);
